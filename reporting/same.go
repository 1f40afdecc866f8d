package reporting

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// MustBeEmpty refuses a ClickHouse that has tables of ours already: what is to
// be filled anew and compared must not hold anything.
func (c *Client) MustBeEmpty(ctx context.Context) error {
	var tables uint64
	err := c.each(ctx, "SELECT count() FROM system.tables WHERE database = {name:String}", func(r driver.Rows) error { return r.Scan(&tables) },
		clickhouse.Named("name", c.cfg.Database))
	if err == nil && tables > 0 {
		err = fmt.Errorf("database %s of that ClickHouse has %d tables: an empty one is needed", c.cfg.Database, tables)
	}
	return err
}

// imprint is a number of rows and a hash over all of their figures; the order of
// rows does not matter.
type imprint struct{ rows, hash uint64 }

func (c *Client) imprint(ctx context.Context, sql string, args ...any) (p imprint, err error) {
	err = c.each(ctx, sql, func(r driver.Rows) error { return r.Scan(&p.rows, &p.hash) }, args...)
	return p, err
}

// rawImprint covers every column of every record up to last but where its batch
// was cut. Rows that are about to pass the table's age limit are left out.
const rawImprint = `SELECT count(), sum(cityHash64(* EXCEPT (batch_first, batch_last, idx))) FROM {db}.events
	WHERE stream = {stream:String} AND seq <= {last:UInt64} AND report_time > now() - INTERVAL 399 DAY`

// quarterImprint covers every line of the finest report.
const quarterImprint = `SELECT count(), sum(cityHash64(*)) FROM (SELECT advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency,
	sum(spend), sum(impressions), sum(personal_impressions), sum(clicks), sum(views), sum(conversions), sum(conversion_value), uniqCombined64IfMerge(reach)
	FROM {db}.report_15m GROUP BY advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency)`

// Same compares two ClickHouses that were filled from one stream, the second up
// to last: every record, and every line of the finest report when the first one
// stands still at last.
func Same(ctx context.Context, used, rebuilt *Client, stream string, last uint64) (differences, notes []string, err error) {
	args := []any{clickhouse.Named("stream", stream), clickhouse.Named("last", fmt.Sprint(last))}
	compare := func(what, sql string, args ...any) error {
		a, err := used.imprint(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("read the %s in use: %w", what, err)
		}
		b, err := rebuilt.imprint(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("read the %s that were rebuilt: %w", what, err)
		}
		if a != b {
			differences = append(differences, fmt.Sprintf("ClickHouse, %s: %d rows with hash %016x in use, %d rows with hash %016x rebuilt", what, a.rows, a.hash, b.rows, b.hash))
		}
		return nil
	}
	if err := compare("raw events", rawImprint, args...); err != nil {
		return nil, nil, err
	}
	position := func() (seq uint64, err error) {
		err = used.each(ctx, "SELECT max(batch_last) FROM {db}.events WHERE stream = {stream:String}", func(r driver.Rows) error { return r.Scan(&seq) }, args...)
		return seq, err
	}
	before, err := position()
	if err != nil {
		return nil, nil, err
	}
	kept := differences
	if err := compare("15-minute aggregates", quarterImprint); err != nil {
		return nil, nil, err
	}
	if after, err := position(); err != nil {
		return nil, nil, err
	} else if before != last || after != last {
		differences = kept
		notes = append(notes, "the aggregates in use were not compared with the rebuilt ones line by line: reports went on meanwhile")
	}
	return differences, notes, nil
}
