"""`python -m deploy.kubernetes`: write the alerts into the monitoring overlay."""

from deploy.kubernetes.rules import RESOURCE, resource

if __name__ == "__main__":
    RESOURCE.write_text(resource(), "utf-8")
