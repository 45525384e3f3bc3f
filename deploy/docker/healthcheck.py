"""Docker's health check of the worker in the same container: status 0 if `/livez` answers 200."""

import os
import sys
from http.client import HTTPConnection, HTTPException

LIMIT_S = 4.0  # below the time-out of the Dockerfile's HEALTHCHECK

if __name__ == "__main__":
    connection = HTTPConnection("127.0.0.1", int(os.environ["SENTIMENT_HTTP_PORT"]), timeout=LIMIT_S)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
    except (OSError, HTTPException) as error:
        sys.exit(f"/livez does not answer: {error}")
    sys.stdout.write(answer.read(1000).decode("utf-8", "replace"))  # docker inspect shows it
    sys.exit(answer.status != 200)
