"""Where training runs, and the queue that makes jobs durable."""
