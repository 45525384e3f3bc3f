"""The three dashboards: is all well (operations), where the time goes (engine), what the scores are (model)."""

from typing import Final

from deploy.grafana.panels import Json, dashboard, heat_map, lines, number

CHOSEN: Final = 'job=~"$job", instance=~"$instance"'
JOB: Final = 'job=~"$job"'
BURN: Final = f"max(sentiment:slow_results:ratio_rate1h{{{JOB}}}) / (1 - scalar(sentiment:objective:ratio))"


def rate(metric: str, *, by: str = "", where: str = "") -> str:
    """Per second, over all chosen workers or one series for each value of `by`."""
    labels = f"{CHOSEN}, {where}" if where else CHOSEN
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """What part of one counter another is."""
    return f"{rate(part)} / {rate(whole)}"


def mean(histogram: str, *, by: str = "") -> str:
    """The mean of what a histogram counted."""
    return f"{rate(f'{histogram}_sum', by=by)} / {rate(f'{histogram}_count', by=by)}"


def quantile(below: float, histogram: str, *, by: str = "") -> str:
    """What this share of the values is below, as exact as the buckets are."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({below}, {rate(f'{histogram}_bucket', by=labels)})"


def quantiles(histogram: str) -> list[tuple[str, str]]:
    """The median and the two that tell of the slow ones, each with its legend."""
    return [(f"p{100 * below:g}", quantile(below, histogram)) for below in (0.5, 0.9, 0.99)]


def gauge(metric: str) -> str:
    """As each worker shows it."""
    return f"{metric}{{{CHOSEN}}}"


def recorded(rule: str) -> str:
    """The worst of the chosen jobs; recording rules have no instance."""
    return f"max({rule}{{{JOB}}})"


def operations() -> Json:
    """Is all well, and does it keep up?"""
    worker = "{{instance}}"
    return dashboard(
        "operations",
        [
            [
                number("Workers ready", "none", f"sum({gauge('sentiment_ready')})"),
                number("Lag", "short", f"sum({gauge('sentiment_lag_records')})"),
                number("Time to work it off", "s", recorded("sentiment:lag:seconds"), bad_from=60),
                number("Latency budget burnt, 1 h", "none", BURN, bad_from=1, text="1: as fast as it is granted."),
                number(
                    "Dead letters, 15 min",
                    "percentunit",
                    recorded("sentiment:dead_letters:ratio_rate15m"),
                    bad_from=0.01,
                ),
                number(
                    "Skipped, 1 h",
                    "short",
                    f"sum(increase({gauge('sentiment_skipped_records_total')}[1h]))",
                    bad_from=1,
                ),
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
                lines(
                    "Rebalances",
                    "short",
                    (worker, f"increase({gauge('sentiment_rebalances_total')}[$__rate_interval])"),
                ),
                lines("Partitions", "short", (worker, gauge("sentiment_assigned_partitions")), stacked=True),
                lines(
                    "Age of the process",
                    "s",
                    (worker, f"time() - {gauge('process_start_time_seconds')}"),
                    text="Falls to zero when a worker is started again.",
                ),
            ],
            [
                lines(
                    "Held",
                    "short",
                    (worker, gauge("sentiment_held_records")),
                    text="Records read and not finished; at max_inflight_records fetching pauses.",
                ),
                lines("Fetching paused", "bool_yes_no", (worker, gauge("sentiment_paused"))),
                lines(
                    "Age of the last turn",
                    "s",
                    (worker, gauge("sentiment_last_turn_age_seconds")),
                    text="Since the worker's loop came around; it hangs if this grows.",
                ),
                lines("CPU", "short", (worker, rate("process_cpu_seconds_total", by="instance")), text="Cores in use."),
                lines(
                    "Memory",
                    "bytes",
                    (worker, gauge("process_resident_memory_bytes")),
                    ("{{instance}}: reviews", gauge("sentiment_held_bytes")),
                ),
            ],
        ],
    )


def engine() -> Json:
    """Where the time goes, and whether the batches are good."""
    return dashboard(
        "engine",
        [
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
                    text="The share of the time in which it computes; near 100 %, and batches full, it is the limit.",
                ),
            ],
            [
                lines(
                    "Queue", "short", ("{{instance}}", gauge("sentiment_held_records")), text="Read and not finished."
                ),
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
                    ("{{instance}}", gauge("sentiment_batch_budget_tokens")),
                    text="Padded tokens that a batch may have; smaller than max_batch_tokens where target_p99_ms asks.",
                ),
                lines(
                    "Price of a batch",
                    "s",
                    ("{{instance}}: any batch", gauge("sentiment_price_batch_seconds")),
                    ("{{instance}}: 1,000 tokens", f"1000 * {gauge('sentiment_price_token_seconds')}"),
                    text="What the engine takes, fitted to the batches of late: a fixed part, and one for its tokens.",
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
        ],
    )


def model() -> Json:
    """What the scores are, and whether the reviews are such as the model knows."""
    upto_04, upto_06 = (rate("sentiment_score_bucket", where=f'le="{bound}"') for bound in (0.4, 0.6))
    return dashboard(
        "model",
        [
            [
                heat_map(
                    "Scores", "percentunit", rate("sentiment_score_bucket", by="le"), text="P(positive) of the reviews."
                ),
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
                    (
                        "unsure",
                        f"({upto_06} - {upto_04}) / {rate('sentiment_score_count')}",
                    ),
                    text="The share of scores between 0.4 and 0.6: reviews that the model does not know how to take.",
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
                    text="The share of the reviews of which words were left out.",
                ),
                lines(
                    "Model",
                    "none",
                    (
                        "{{name}} {{version}}, {{engine}}",
                        f"count by (name, version, engine) ({gauge('sentiment_model_info')})",
                    ),
                    text="Workers that score with it.",
                    stacked=True,
                ),
            ],
            [
                lines(
                    "Shadow model",
                    "cps",
                    ("{{result}}", rate("sentiment_shadow_reviews_total", by="result")),
                    text="Reviews a second that a shadow model scored as well: does it find the same sentiment?.",
                    stacked=True,
                ),
                heat_map(
                    "Difference of the shadow model",
                    "percentunit",
                    rate("sentiment_shadow_difference_bucket", by="le"),
                    text="Between its P(positive) and the live model's.",
                ),
                lines(
                    "Model reloads",
                    "short",
                    (
                        "{{instance}}, {{result}}",
                        f"increase({gauge('sentiment_model_reloads_total')}[$__rate_interval])",
                    ),
                ),
            ],
        ],
    )


DASHBOARDS: Final = {"operations": operations, "engine": engine, "model": model}
