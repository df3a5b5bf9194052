package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// encodings are the kinds of scrapes.
var encodings = []string{"identity", "gzip"}

// measured is the outcome for all servers, in their order: cube, the floors, and
// node_exporter where there is one.
type measured struct {
	servers []*server
	cpu     map[string][][]float64 // by encoding, then server: µs a scrape, by round
	series  []int
	bytes   []int // of a plain page
	objects []float64
	alloced []float64 // bytes a scrape
	rss     []int     // kB
}

// measure scrapes every server in every round.
func measure(ctx context.Context, c config, servers []*server) (*measured, error) {
	m := &measured{servers: servers, cpu: map[string][][]float64{}}
	for _, encoding := range encodings {
		m.cpu[encoding] = make([][]float64, len(servers))
	}
	for round := -1; round < c.rounds; round++ { // the first warms up
		for _, encoding := range encodings {
			for i := range servers {
				// Each round begins with another server.
				at := (i + round + len(servers)) % len(servers)
				each, err := scrapes(ctx, servers[at], encoding, c.scrapes)
				if err != nil {
					return nil, err
				}
				if round >= 0 {
					m.cpu[encoding][at] = append(m.cpu[encoding][at], each)
				}
			}
		}
	}
	for _, s := range servers {
		if err := m.size(ctx, s, c.scrapes); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// scrapes returns the server's CPU time of a scrape, in µs.
func scrapes(ctx context.Context, s *server, encoding string, n int) (float64, error) {
	before, err := s.cpuTime()
	if err != nil {
		return 0, err
	}
	for range n {
		if _, err := s.get(ctx, "/metrics", encoding); err != nil {
			return 0, err
		}
	}
	after, err := s.cpuTime()
	return float64(after-before) / float64(time.Microsecond) / float64(n), err
}

// size takes the size of a page, what a scrape allocates and what the process
// holds.
func (m *measured) size(ctx context.Context, s *server, n int) error {
	page, err := s.get(ctx, "/metrics", "identity")
	if err != nil {
		return err
	}
	series := 0
	for line := range bytes.Lines(page) {
		if line[0] != '#' {
			series++
		}
	}
	rss, err := s.rssAnon()
	if err != nil {
		return err
	}
	m.series, m.bytes, m.rss = append(m.series, series), append(m.bytes, len(page)), append(m.rss, rss)
	if s.isFloor() { // it shows no profiles
		m.objects, m.alloced = append(m.objects, 0), append(m.alloced, 0)
		return nil
	}
	var counts [3][2]int // before, after nothing, after n scrapes
	for i := range counts {
		if i == 2 {
			if _, err := scrapes(ctx, s, "identity", n); err != nil {
				return err
			}
		}
		if counts[i][0], counts[i][1], err = s.allocations(ctx); err != nil {
			return err
		}
	}
	each := func(k int) float64 { return float64(counts[2][k]-2*counts[1][k]+counts[0][k]) / float64(n) }
	m.objects, m.alloced = append(m.objects, each(0)), append(m.alloced, each(1))
	return nil
}

// ratio is the median of the rounds' ratios of cube to another server.
func (m *measured) ratio(encoding string, to int) float64 {
	var ratios []float64
	for round, own := range m.cpu[encoding][0] {
		ratios = append(ratios, own/m.cpu[encoding][to][round])
	}
	return median(ratios)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// print writes the table, and fails where a bound is broken.
func (m *measured) print(c config, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| server\t| plain, µs\t| cube's ratio\t| gzip, µs\t| cube's ratio\t| series\t| page, bytes\t| allocations\t| allocated, bytes\t| RssAnon, kB\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, s := range m.servers {
		fmt.Fprintf(table, "| %s\t| %.1f\t| %.3f\t| %.1f\t| %.3f\t| %d\t| %d\t", s.name,
			median(m.cpu["identity"][i]), m.ratio("identity", i), median(m.cpu["gzip"][i]), m.ratio("gzip", i), m.series[i], m.bytes[i])
		if s.isFloor() {
			fmt.Fprintf(table, "| –\t| –\t| %d\t|\n", m.rss[i])
			continue
		}
		fmt.Fprintf(table, "| %.0f\t| %.0f\t| %d\t|\n", m.objects[i], m.alloced[i], m.rss[i])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	last := len(m.servers) - 1
	if m.servers[last].isFloor() {
		return nil
	}
	return errors.Join(bound("plain", m.ratio("identity", last), c.maxPlain), bound("gzip", m.ratio("gzip", last), c.maxGzip))
}

func bound(kind string, ratio, limit float64) error {
	if limit == 0 || ratio <= limit {
		return nil
	}
	return fmt.Errorf("a scrape (%s) takes %.3f of node_exporter's, more than %.3f", kind, ratio, limit)
}
