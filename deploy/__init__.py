"""Everything around the worker: the broker launcher, the demo, images and manifests. Nothing else imports it."""
