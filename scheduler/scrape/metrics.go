package scrape

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// instruments are the loop's own metrics.
type instruments struct {
	scrapes  map[Outcome]prometheus.Counter // filled once, read by all
	total    *prometheus.CounterVec
	duration prometheus.Histogram
}

func newInstruments() instruments {
	i := instruments{
		scrapes: map[Outcome]prometheus.Counter{},
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cube_scrapes_total",
			Help: "Scrapes of nodes' metrics, by how they ended.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cube_scrape_duration_seconds",
			Help: "How long a scrape of a node's metrics took, whatever came of it.",
			// For a Prometheus that does not read native histograms.
			Buckets:                         []float64{.001, .003, .01, .03, .1, .3, 1, 3},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}),
	}
	for _, o := range outcomes() {
		i.scrapes[o] = i.total.WithLabelValues(string(o))
	}
	return i
}

// count records the end of a scrape.
func (i *instruments) count(o Outcome, took time.Duration) {
	i.scrapes[o].Inc()
	i.duration.Observe(took.Seconds())
}

// Describe implements [prometheus.Collector].
func (l *Loop) Describe(descs chan<- *prometheus.Desc) {
	l.metrics.total.Describe(descs)
	l.metrics.duration.Describe(descs)
}

// Collect implements [prometheus.Collector]: cube_scrapes_total by result and
// cube_scrape_duration_seconds.
func (l *Loop) Collect(metrics chan<- prometheus.Metric) {
	l.metrics.total.Collect(metrics)
	l.metrics.duration.Collect(metrics)
}
