-- One row per record of the money stream. counted = 0: refused, or a later record of a token already used.
CREATE TABLE IF NOT EXISTS {db}.events (
    stream             LowCardinality(String),
    seq                UInt64 CODEC(Delta, ZSTD(1)),
    idx                UInt32 CODEC(Delta, ZSTD(1)),
    batch_first        UInt64 CODEC(Delta, ZSTD(1)),
    batch_last         UInt64 CODEC(Delta, ZSTD(1)),
    report_time        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    event_time         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    auction_time       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    event_hi           UInt64 CODEC(Delta, ZSTD(1)),
    event_lo           UInt64 CODEC(ZSTD(1)),
    auction_hi         UInt64 CODEC(Delta, ZSTD(1)),
    auction_lo         UInt64 CODEC(ZSTD(1)),
    token_partition    UInt16,
    token_generation   UInt32,
    token_serial       UInt64 CODEC(Delta, ZSTD(1)),
    kind               UInt8,
    verdict            UInt8,
    reason             UInt16,
    flags              UInt16,
    token_use          UInt8,
    counted            UInt8,
    billed_nanos       Int64 CODEC(T64, ZSTD(1)),
    price_nanos        Int64 CODEC(T64, ZSTD(1)),
    bid_nanos          Int64 CODEC(T64, ZSTD(1)),
    currency           LowCardinality(String),
    billing_event      UInt8,
    door               UInt8,
    slot               UInt8,
    advertiser_id      Int64,
    campaign_id        Int64,
    adgroup_id         Int64,
    ad_id              Int64,
    revision           Int64 CODEC(Delta, ZSTD(1)),
    model              UInt32,
    day                Int32,
    country            LowCardinality(String),
    region             UInt64,
    language           UInt16,
    age                UInt8,
    gender             UInt8,
    os                 UInt8,
    placement          UInt8,
    universe           UInt8,
    loss_code          UInt16,
    user_known         UInt8,
    user_ord           UInt32,
    conversion_name    LowCardinality(String),
    conversion_event   String CODEC(ZSTD(1)),
    conversion_nanos   Int64 CODEC(T64, ZSTD(1)),
    conversion_currency LowCardinality(String),
    conversion_match   UInt8,
    click_hi           UInt64,
    click_lo           UInt64
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(report_time)
ORDER BY (advertiser_id, campaign_id, adgroup_id, ad_id, report_time, seq, idx)
TTL toDateTime(report_time) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1;

-- What reports read: 15 minutes of UTC, because zones at +5:45 exist.
CREATE TABLE IF NOT EXISTS {db}.report_15m (
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
    spend              SimpleAggregateFunction(sum, Decimal(38, 9)),
    impressions        SimpleAggregateFunction(sum, UInt64),
    personal_impressions SimpleAggregateFunction(sum, UInt64),
    clicks             SimpleAggregateFunction(sum, UInt64),
    views              SimpleAggregateFunction(sum, UInt64),
    conversions        SimpleAggregateFunction(sum, UInt64),
    conversion_value   SimpleAggregateFunction(sum, Decimal(38, 9)),
    reach              AggregateFunction(uniqCombined64If, UInt64, UInt8)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(quarter)
ORDER BY (advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Kinds: 1 impression, 2 click, 3 view, 4 bill, 5 conversion (events.Kind, append only). A conversion's value
-- counts where it is in the advertiser's currency. toDecimal128(n, 0) * 0.000000001 is exact: scales add up.
CREATE MATERIALIZED VIEW IF NOT EXISTS {db}.report_15m_mv TO {db}.report_15m AS
SELECT
    advertiser_id, campaign_id, adgroup_id, ad_id,
    toStartOfFifteenMinutes(toDateTime(report_time, 'UTC')) AS quarter,
    country, age, gender, os, placement, currency,
    sum(toDecimal128(billed_nanos, 0) * toDecimal128('0.000000001', 9)) AS spend,
    countIf(kind = 1) AS impressions,
    countIf(kind = 1 AND user_known = 1) AS personal_impressions,
    countIf(kind = 2) AS clicks,
    countIf(kind = 3) AS views,
    countIf(kind = 5) AS conversions,
    sumIf(toDecimal128(conversion_nanos, 0) * toDecimal128('0.000000001', 9), kind = 5 AND conversion_currency = currency) AS conversion_value,
    uniqCombined64IfState(toUInt64(user_ord), toUInt8(kind = 1 AND user_known = 1)) AS reach
FROM {db}.events
WHERE counted = 1
GROUP BY advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency;

-- How far each stream is in, for reports of other processes.
CREATE TABLE IF NOT EXISTS {db}.sink_progress (
    stream  LowCardinality(String),
    seq     UInt64,
    through DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(through)
ORDER BY stream;
