"""The three dashboards: is all well (operations), where does the time go (engine), what are the scores (model)."""

from typing import Final

from deploy.grafana.panels import Json, dashboard, heat_map, lines, number

Rows = list[list[Json]]

CHOSEN: Final = 'job=~"$job", instance=~"$instance"'
JOB: Final = 'job=~"$job"'
BURN: Final = f"max(sentiment:slow_results:ratio_rate1h{{{JOB}}}) / (1 - scalar(sentiment:objective:ratio))"


def rate(metric: str, *, by: str = "", where: str = "") -> str:
    """The rate per second, over all chosen workers, or one series for each value of `by`."""
    labels = f"{CHOSEN}, {where}" if where else CHOSEN
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """The rate of one counter as a share of another's."""
    return f"{rate(part)} / {rate(whole)}"


def mean(histogram: str, *, by: str = "") -> str:
    """The mean of the values in a histogram."""
    return f"{rate(f'{histogram}_sum', by=by)} / {rate(f'{histogram}_count', by=by)}"


def quantile(below: float, histogram: str, *, by: str = "") -> str:
    """The value that this share of all values is below, as exact as the buckets are."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({below}, {rate(f'{histogram}_bucket', by=labels)})"


def quantiles(histogram: str) -> list[tuple[str, str]]:
    """The median, p90 and p99, each with its legend."""
    return [(f"p{100 * below:g}", quantile(below, histogram)) for below in (0.5, 0.9, 0.99)]


def gauge(metric: str) -> str:
    """The metric of each chosen worker."""
    return f"{metric}{{{CHOSEN}}}"


def by_worker(metric: str, name: str = "") -> tuple[str, str]:
    """A curve for each worker, with its legend."""
    return f"{{{{instance}}}}: {name}" if name else "{{instance}}", gauge(metric)


def increase(metric: str) -> str:
    """How much each worker's counter rises between two points of the curve."""
    return f"increase({gauge(metric)}[$__rate_interval])"


def recorded(rule: str) -> str:
    """The worst of the chosen jobs; recording rules have no instance."""
    return f"max({rule}{{{JOB}}})"


UPTO_04, UPTO_06 = (rate("sentiment_score_bucket", where=f'le="{bound}"') for bound in (0.4, 0.6))

# Is all well, and does it keep up?
OPERATIONS: Final[Rows] = [
    [
        number("Workers ready", "none", f"sum({gauge('sentiment_ready')})"),
        number("Lag", "short", f"sum({gauge('sentiment_lag_records')})"),
        number("Time to work it off", "s", recorded("sentiment:lag:seconds"), bad_from=60),
        number("Latency budget burnt, 1 h", "none", BURN, bad_from=1, text="1: as fast as it is granted."),
        number("Dead letters, 15 min", "percentunit", recorded("sentiment:dead_letters:ratio_rate15m"), bad_from=0.01),
        number("Skipped, 1 h", "short", f"sum(increase({gauge('sentiment_skipped_records_total')}[1h]))", bad_from=1),
    ],
    [
        lines(
            "Lag",
            "short",
            ("{{topic}}-{{partition}}", f"max by (topic, partition) ({gauge('sentiment_lag_records')})"),
            text="Records between the reading position and the end of each partition.",
            stacked=True,
        ),
        lines(
            "Throughput",
            "cps",
            ("read", rate("sentiment_records_read_total")),
            ("scored", rate("sentiment_reviews_scored_total")),
            ("tombstones", rate("sentiment_tombstones_total")),
            text="Records a second.",
        ),
    ],
    [
        heat_map(
            "End-to-end latency",
            "s",
            rate("sentiment_end_to_end_seconds_bucket", by="le"),
            text="From the review's timestamp until its result is stored.",
        ),
        lines("End-to-end latency", "s", *quantiles("sentiment_end_to_end_seconds")),
    ],
    [
        lines(
            "Dead letters",
            "cps",
            ("{{reason}}", rate("sentiment_dead_letters_total", by="reason")),
            text="Records a second.",
            stacked=True,
        ),
        lines(
            "Trouble",
            "cps",
            ("returns to the committed offsets", rate("sentiment_replays_total")),
            ("results dropped, their partition lost", rate("sentiment_stale_results_total")),
            ("records deleted before they were read", rate("sentiment_skipped_records_total")),
            text="Events a second; zero while all is well.",
        ),
    ],
    [
        lines("Rebalances", "short", ("{{instance}}", increase("sentiment_rebalances_total"))),
        lines("Partitions", "short", by_worker("sentiment_assigned_partitions"), stacked=True),
        lines(
            "Age of the process",
            "s",
            ("{{instance}}", f"time() - {gauge('process_start_time_seconds')}"),
            text="Falls to zero when a worker is started again.",
        ),
    ],
    [
        lines(
            "Held",
            "short",
            by_worker("sentiment_held_records"),
            text="Records read and not finished; at max_inflight_records fetching pauses.",
        ),
        lines("Fetching paused", "bool_yes_no", by_worker("sentiment_paused")),
        lines(
            "Age of the last turn",
            "s",
            by_worker("sentiment_last_turn_age_seconds"),
            text="Seconds since the last iteration of the worker's loop; large means stuck.",
        ),
        lines("CPU", "short", ("{{instance}}", rate("process_cpu_seconds_total", by="instance")), text="Cores in use."),
        lines(
            "Memory", "bytes", by_worker("process_resident_memory_bytes"), by_worker("sentiment_held_bytes", "reviews")
        ),
    ],
]


# Where the time goes, and whether the batches are good.
ENGINE: Final[Rows] = [
    [
        heat_map("Batch size", "short", rate("sentiment_batch_size_reviews_bucket", by="le"), text="Reviews."),
        heat_map(
            "Padding",
            "percentunit",
            rate("sentiment_batch_padding_ratio_bucket", by="le"),
            text="The share of a batch that is padding: computed for nothing.",
        ),
    ],
    [
        lines("Mean batch size", "short", ("reviews", mean("sentiment_batch_size_reviews"))),
        lines("Mean padding", "percentunit", ("padding", mean("sentiment_batch_padding_ratio"))),
        lines(
            "What made batches leave",
            "cps",
            ("{{trigger}}", rate("sentiment_batches_total", by="trigger")),
            text="Batches a second. idle: low load; size, tokens: saturation; deadline: the worker is behind.",
            stacked=True,
        ),
    ],
    [
        lines(
            "Mean time of a stage",
            "s",
            ("{{stage}}", mean("sentiment_stage_seconds", by="stage")),
            text="admit: decode and tokenize a poll. wait: the oldest review of a batch. inference: a batch.",
        ),
        lines(
            "99 % of a stage's passes are shorter",
            "s",
            ("{{stage}}", quantile(0.99, "sentiment_stage_seconds", by="stage")),
        ),
        lines(
            "Engine in use",
            "percentunit",
            ("{{instance}}", rate("sentiment_engine_busy_seconds_total", by="instance")),
            text="The share of time in which it computes. Near 100 % with full batches, it is the bottleneck.",
        ),
    ],
    [
        lines("Queue", "short", by_worker("sentiment_held_records"), text="Read and not finished."),
        heat_map(
            "Time in the queue",
            "s",
            rate("sentiment_stage_seconds_bucket", by="le", where='stage="wait"'),
            text="Of the oldest review of a batch, until the engine takes it.",
        ),
        lines("Words", "cps", ("words", rate("sentiment_tokens_total")), text="Read by the model, a second."),
    ],
    [
        lines(
            "Batch budget",
            "short",
            by_worker("sentiment_batch_budget_tokens"),
            text="Padded tokens that a batch may have; smaller than max_batch_tokens where target_p99_ms asks.",
        ),
        lines(
            "Price of a batch",
            "s",
            by_worker("sentiment_price_batch_seconds", "any batch"),
            ("{{instance}}: 1,000 tokens", f"1000 * {gauge('sentiment_price_token_seconds')}"),
            text="Engine time, estimated from the latest batches: a fixed part, and a part for its tokens.",
        ),
        lines(
            "Result cache",
            "cps",
            ("hits", rate("sentiment_cache_hits_total")),
            ("joined", rate("sentiment_cache_joined_total")),
            ("misses", rate("sentiment_cache_misses_total")),
            text="Reviews a second: with a kept result, with another's, computed. Zero without cache_bytes.",
            stacked=True,
        ),
    ],
]


# What the scores are, and whether the reviews are such as the model knows.
MODEL: Final[Rows] = [
    [
        heat_map("Scores", "percentunit", rate("sentiment_score_bucket", by="le"), text="P(positive) of the reviews."),
        lines("Mean score", "percentunit", ("P(positive)", mean("sentiment_score"))),
    ],
    [
        lines(
            "Positive share, 1 h",
            "percentunit",
            ("{{job}}", f"sentiment:positive_share:ratio_rate1h{{{JOB}}}"),
            ("reference", "sentiment:positive_share:reference"),
        ),
        lines(
            "Confidence below 0.6",
            "percentunit",
            ("unsure", f"({UPTO_06} - {UPTO_04}) / {rate('sentiment_score_count')}"),
            text="The share of scores between 0.4 and 0.6: reviews of which the model is unsure.",
        ),
    ],
    [
        lines(
            "Unknown words",
            "percentunit",
            ("share", share("sentiment_unknown_tokens_total", "sentiment_tokens_total")),
            ("1 h", recorded("sentiment:unknown_words:ratio_rate1h")),
            text="The share of the words that the vocabulary does not have.",
        ),
        lines(
            "Truncated",
            "percentunit",
            ("share", share("sentiment_truncated_reviews_total", "sentiment_reviews_scored_total")),
            text="The share of the reviews that were cut to the model's limit.",
        ),
        lines(
            "Model",
            "none",
            ("{{name}} {{version}}, {{engine}}", f"count by (name, version, engine) ({gauge('sentiment_model_info')})"),
            text="Workers that score with it.",
            stacked=True,
        ),
    ],
    [
        lines(
            "Shadow model",
            "cps",
            ("{{result}}", rate("sentiment_shadow_reviews_total", by="result")),
            text="Reviews a second that a shadow model scored too, by whether both find the same sentiment.",
            stacked=True,
        ),
        heat_map(
            "Difference of the shadow model",
            "percentunit",
            rate("sentiment_shadow_difference_bucket", by="le"),
            text="Between its P(positive) and the live model's.",
        ),
        lines("Model reloads", "short", ("{{instance}}, {{result}}", increase("sentiment_model_reloads_total"))),
    ],
]


DASHBOARDS: Final = {
    name: dashboard(name, rows) for name, rows in (("operations", OPERATIONS), ("engine", ENGINE), ("model", MODEL))
}
