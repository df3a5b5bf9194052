package collector

import (
	"context"
	"time"
)

// GetStats reads this machine once, as the book's function of that name does.
// CPU usage is a difference, so it takes two readings, DefaultMinWindow apart:
// the call lasts that long, or until ctx ends. Who reads more than once makes a
// [Collector] and keeps it.
func GetStats(ctx context.Context) (Stats, error) {
	c, err := New(Config{})
	if err != nil {
		return Stats{}, err
	}
	if _, err := c.Stats(); err != nil {
		return Stats{}, err
	}
	wait := time.NewTimer(DefaultMinWindow)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return Stats{}, context.Cause(ctx)
	case <-wait.C:
	}
	return c.Stats()
}
