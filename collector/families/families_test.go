package families_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/testing/protocmp"

	"cube/collector/families"
)

const (
	a = iota
	b
	c
)

var names = []string{"device", "mountpoint"}

func newTable() *families.Table {
	return families.NewTable([]families.Metric{
		a: {Name: "a_bytes", Help: "A.", Kind: families.Gauge, Labels: names},
		b: {Name: "b_seconds_total", Help: "B.", Kind: families.Counter},
		c: {Name: "c_ratio", Help: "C.", Kind: families.Gauge},
	})
}

// source is a table with what fills it.
type source struct {
	*families.Table
	fill func(*families.Page)
}

func (s source) Collect(out chan<- prometheus.Metric) { s.Table.Collect(s.fill, out) }
func (s source) Gather() ([]*dto.MetricFamily, func(), error) {
	gathered, done := s.Table.Gather(s.fill)
	return gathered, done, nil
}

var _ families.Source = source{}

// What is gathered is what a pedantic registry gathers, each time anew: also
// with fewer lines than before, in memory that was used before.
func TestGatherIsWhatARegistryGathers(t *testing.T) {
	srv, root := families.NewLabels(names, "sda", "/srv"), families.NewLabels(names, "sda", "/")
	pages := []func(*families.Page){
		func(p *families.Page) { p.Set(a, 1, root); p.Set(a, 2, srv); p.Set(b, 3, nil); p.Set(c, 0.5, nil) },
		func(p *families.Page) { p.Set(a, 4, srv); p.Set(c, 0.25, nil) },
		func(p *families.Page) { p.Set(a, 4, srv); p.Set(b, 5, nil); p.Clear([]int{a, c}) },
		func(*families.Page) {},
	}
	var now func(*families.Page)
	s := source{newTable(), func(p *families.Page) { now(p) }}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s)
	for i, page := range pages {
		now = page
		want, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got, done, err := s.Gather()
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" && len(want)+len(got) > 0 || err != nil {
			t.Errorf("page %d (-registry +gathered): %v\n%s", i, err, diff)
		}
		done()
	}
}

func TestTablesThatCannotBe(t *testing.T) {
	gauge := func(name string, labels ...string) families.Metric {
		return families.Metric{Name: name, Help: "X.", Kind: families.Gauge, Labels: labels}
	}
	for fault, metrics := range map[string][]families.Metric{
		"a stands behind b":         {gauge("b"), gauge("a")},
		"a stands behind a":         {gauge("a"), gauge("a")},
		"labels [y x] of a are not": {gauge("a", "y", "x")},
	} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, fault) {
					t.Errorf("said %q, want %q", said, fault)
				}
			}()
			families.NewTable(metrics)
		}()
	}
}

// broken gathers one family and an error.
type broken struct{ done *int }

func (b broken) Gather() ([]*dto.MetricFamily, func(), error) {
	name := "b_a"
	return []*dto.MetricFamily{{Name: &name}}, func() { *b.done++ }, errors.New("half of it")
}

// Parts are merged in order; one that fails keeps none away; each is told when
// the page is done with.
func TestMerge(t *testing.T) {
	s := source{newTable(), func(p *families.Page) { p.Set(b, 1, nil); p.Set(c, 2, nil) }}
	constant, err := families.Constant(prometheus.NewGauge(prometheus.GaugeOpts{Name: "b_b"}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "d"}))
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	merged := families.Merge(s, constant, broken{&told})
	for range 3 {
		gathered, done, err := merged.Gather()
		var names []string
		for _, family := range gathered {
			names = append(names, family.GetName())
		}
		if got := strings.Join(names, " "); got != "b_a b_b b_seconds_total c_ratio d" || err == nil || err.Error() != "half of it" {
			t.Errorf("%s, %v", got, err)
		}
		done()
	}
	if told != 3 {
		t.Errorf("a part was told %d times of 3 that its families are free", told)
	}
}

func TestConstantRefusesTheSameTwice(t *testing.T) {
	gauge := func() prometheus.Collector { return prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"}) }
	if _, err := families.Constant(gauge(), gauge()); err == nil {
		t.Error("two of the same name pass")
	}
}
