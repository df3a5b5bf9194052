package web

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// layout is all of a page in the text format but its figures, which are all that
// differs from most pages to the next: a page of the same layout is the same
// pieces with other figures between them. It is not changed once it is made.
type layout struct {
	families []laidFamily
	fixed    []string // fixed[i] stands before the i-th figure, the last one after all of them

	rendered atomic.Int64 // how many pages had it
	packer   atomic.Pointer[deflater]
}

// laidFamily is what a family has to be for a layout to hold for it.
type laidFamily struct {
	name, help string
	kind       dto.MetricType
	series     [][]labelPair
	whole      bool // expfmt writes all of it: one figure of many lines
}

type labelPair struct{ name, value string }

// newLayout makes the layout of a page.
func newLayout(families []*dto.MetricFamily) *layout {
	l := &layout{}
	var piece []byte
	figure := func() {
		l.fixed = append(l.fixed, string(piece))
		piece = piece[:0]
	}
	for _, family := range families {
		laid := laidFamily{name: family.GetName(), help: family.GetHelp(), kind: family.GetType(), whole: !plain(family)}
		if laid.whole {
			figure()
			l.families = append(l.families, laid)
			continue
		}
		piece = appendHeader(piece, family)
		for _, metric := range family.Metric {
			var pairs []labelPair
			for _, pair := range metric.Label {
				pairs = append(pairs, labelPair{pair.GetName(), pair.GetValue()})
			}
			laid.series = append(laid.series, pairs)
			piece = appendSeries(piece, laid.name, metric)
			figure()
			piece = append(piece, '\n')
		}
		l.families = append(l.families, laid)
	}
	figure()
	return l
}

// render writes a page; false where it has another layout. What expfmt refuses
// is left out and said to log.
func (l *layout) render(p *page, families []*dto.MetricFamily, log promhttp.Logger) bool {
	p.text, p.shifts = p.text[:0], append(p.shifts[:0], 0)
	if len(families) != len(l.families) {
		return false
	}
	figures, at := 0, 0
	for f, family := range families {
		laid := &l.families[f]
		if !laid.holds(family) {
			return false
		}
		if laid.whole {
			p.text = append(p.text, l.fixed[at]...)
			begin := len(p.text)
			if _, err := expfmt.MetricFamilyToText(&p.text, family); err != nil {
				p.text = p.text[:begin]
				log.Println("error encoding metric family:", err)
			}
			figures, at = figures+len(p.text)-begin, at+1
			p.shifts = append(p.shifts, figures)
			continue
		}
		for _, metric := range family.Metric {
			p.text = append(p.text, l.fixed[at]...)
			begin := len(p.text)
			p.text = appendFloat(p.text, valueOf(laid.kind, metric))
			figures, at = figures+len(p.text)-begin, at+1
			p.shifts = append(p.shifts, figures)
		}
	}
	p.text = append(p.text, l.fixed[at]...)
	return true
}

// holds reports whether a family is the one that was laid out: most of the texts
// are not only equal but the very same, which takes no reading to find out.
func (l *laidFamily) holds(family *dto.MetricFamily) bool {
	if family.GetName() != l.name || family.GetHelp() != l.help || family.GetType() != l.kind || plain(family) == l.whole {
		return false
	}
	if l.whole {
		return true
	}
	if len(family.Metric) != len(l.series) {
		return false
	}
	for i, metric := range family.Metric {
		pairs := l.series[i]
		if len(metric.Label) != len(pairs) {
			return false
		}
		for j, pair := range metric.Label {
			if pair.GetName() != pairs[j].name || pair.GetValue() != pairs[j].value {
				return false
			}
		}
	}
	return true
}

// page is one page in the text format, and where its figures are.
type page struct {
	text   text
	shifts []int // shifts[i] is how many bytes the figures before fixed[i] take
}
