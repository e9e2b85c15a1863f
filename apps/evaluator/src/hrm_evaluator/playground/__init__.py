"""The playground: one HTML file that holds models and runs them in the browser."""
