-- What was billed, given away and refused, and why, at the grain of report_15m. It is a table of its own so that
-- refusals make no rows in reports that do not ask for them.
CREATE TABLE IF NOT EXISTS {db}.verdict_15m (
    advertiser_id      Int64,
    campaign_id        Int64,
    adgroup_id         Int64,
    ad_id              Int64,
    quarter            DateTime('UTC') CODEC(Delta, ZSTD(1)),
    country            LowCardinality(String),
    age                UInt8,
    gender             UInt8,
    os                 UInt8,
    placement          UInt8,
    currency           LowCardinality(String),
    billed_events      SimpleAggregateFunction(sum, UInt64),
    free_events        SimpleAggregateFunction(sum, UInt64),
    free_over_budget   SimpleAggregateFunction(sum, UInt64),
    free_lease_ended   SimpleAggregateFunction(sum, UInt64),
    refused_events     SimpleAggregateFunction(sum, UInt64),
    refused_repeat     SimpleAggregateFunction(sum, UInt64),
    refused_expired    SimpleAggregateFunction(sum, UInt64)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(quarter)
ORDER BY (advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Verdicts: 1 billed, 2 free, 3 refused; reasons: 1 not billable, 2 repeat, 3 expired, 4 over a limit,
-- 7 the lease of its life is gone, 10 late, 11 its home is gone (events, append only).
CREATE MATERIALIZED VIEW IF NOT EXISTS {db}.verdict_15m_mv TO {db}.verdict_15m AS
SELECT
    advertiser_id, campaign_id, adgroup_id, ad_id,
    toStartOfFifteenMinutes(toDateTime(report_time, 'UTC')) AS quarter,
    country, age, gender, os, placement, currency,
    countIf(verdict = 1) AS billed_events,
    countIf(verdict = 2 AND reason != 1) AS free_events,
    countIf(verdict = 2 AND reason = 4) AS free_over_budget,
    countIf(verdict = 2 AND reason IN (7, 11)) AS free_lease_ended,
    countIf(verdict = 3) AS refused_events,
    countIf(verdict = 3 AND reason = 2) AS refused_repeat,
    countIf(verdict = 3 AND reason IN (3, 10)) AS refused_expired
FROM {db}.events
WHERE (counted = 1 AND kind IN (1, 2, 3, 4) AND verdict IN (1, 2) AND reason != 1) OR verdict = 3
GROUP BY advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency;
