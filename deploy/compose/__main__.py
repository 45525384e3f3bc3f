"""`python -m deploy.compose`: write the settings of compose's Kafka to kafka.env."""

from deploy.compose.kafka import VARIABLES, variables

if __name__ == "__main__":
    VARIABLES.write_text(variables(), "utf-8")
