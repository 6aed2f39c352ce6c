"""Services that BentoML packages: one folder a service, built by `pax_assets.compute.bento`."""
