package scrape

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path"
	"strings"

	"github.com/google/uuid"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"cube/scheduler"
)

// page is what was wanted of one metrics page. It is used again for the next
// page; nothing outside may keep it.
type page struct {
	source   *compiled
	dataRoot string

	numbers [numbers]float64
	seen    figureSet
	cpu     cpuSample
	mounts  [2]mount // total, available
	tasks   []scheduler.TaskReading
	byTask  map[uuid.UUID]int

	values [][]byte // of the labels of the series at hand

	// Exporters list the same tasks in the same order under each metric. So
	// the labels of task i are kept as bytes of the body, and the i-th series
	// of the next metric is known by them without being taken apart again.
	braces [][]byte
	metric []int // rows of the metric at hand
	nth    int   // how many of its series came before

	draft draft // of the page's layout
}

// begin makes the page empty, for a page of the source.
func (p *page) begin(source *compiled, dataRoot string) {
	p.source, p.dataRoot = source, path.Clean(dataRoot)
	p.seen = 0
	for i := range p.numbers {
		p.numbers[i] = scheduler.Absent()
	}
	p.cpu.begin(len(source.inputs))
	p.mounts = [2]mount{}
	p.tasks, p.braces = p.tasks[:0], p.braces[:0]
	p.metric, p.nth = nil, 0
	if p.byTask == nil {
		p.byTask = map[uuid.UUID]int{}
	}
	clear(p.byTask)
	if cap(p.values) < len(source.labels) {
		p.values = make([][]byte, len(source.labels))
	}
	p.values = p.values[:len(source.labels)]
}

// read takes the wanted figures from the body of an answer. The whole body has
// to be a well-formed page of at most maxSamples samples, wanted or not.
func (p *page) read(body []byte, maxSamples int) *Failure {
	if failure := whole(body); failure != nil {
		return failure
	}
	p.draft.begin()
	parser := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
	for samples := 0; ; {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(BadPage, "the page is not in the Prometheus text format: %s", excerpt(err.Error())).because(err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		if samples++; samples > maxSamples {
			return fail(TooLarge, "the page has more than %d samples", maxSamples)
		}
		if failure := p.take(parser); failure != nil {
			return failure
		}
	}
	for _, in := range p.source.inputs {
		if in.Required && !p.seen.contains(in.Figure) {
			return fail(BadPage, "the page has no %s, which every page of the source %s has", in.Metric, p.source.Name)
		}
	}
	return nil
}

// whole refuses what is surely not a whole page. The parser takes a value that
// was cut off for a shorter one, so the end has to be told by the newline.
func whole(body []byte) *Failure {
	if len(bytes.TrimSpace(body)) == 0 {
		return fail(BadPage, "the page is empty")
	}
	if body[len(body)-1] != '\n' {
		return fail(BadPage, "the page is cut off: its last line has no end")
	}
	// The parser takes one between two lines for the end of the page.
	if bytes.IndexByte(body, 0) >= 0 {
		return fail(BadPage, "the page is not text: it holds a NUL byte")
	}
	return nil
}

// take looks at the series that the parser is at.
func (p *page) take(parser textparse.Parser) *Failure {
	series, timestamp, value := parser.Series()
	p.draft.sample(series)
	name, braces := split(series)
	rows := p.source.rows[string(name)]
	if rows == nil && len(name) > 0 {
		return nil
	}
	p.count(rows)
	task := p.sameTask(braces)
	if task < 0 {
		var failure *Failure
		if rows, failure = p.label(parser, rows, braces); failure != nil {
			return failure
		}
	}
	for _, row := range rows {
		in := &p.source.inputs[row]
		if task < 0 && !p.matches(in) {
			continue
		}
		if timestamp != nil {
			return fail(BadPage, "%s carries a time of its own, so its age is not known", in.Metric)
		}
		if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
			return impossible(in.Metric, "is %v", value)
		}
		if failure := p.put(row, in, task, braces, value); failure != nil {
			return failure
		}
	}
	return nil
}

// count keeps count of the series of one metric.
func (p *page) count(rows []int) {
	if len(p.metric) > 0 && len(rows) > 0 && &p.metric[0] == &rows[0] {
		p.nth++
		return
	}
	p.metric, p.nth = rows, 0
}

// label finds the labels of the series at hand, and its rows if its name stands
// inside the braces.
func (p *page) label(parser textparse.Parser, rows []int, braces []byte) ([]int, *Failure) {
	if rows != nil && scan(braces, p.source.labels, p.values) {
		return rows, nil
	}
	name, ok := resolve(parser, p.source.labels, p.values)
	if rows = p.source.rows[name]; rows != nil && !ok {
		return nil, fail(BadPage, "a series of %s has a label twice", name)
	}
	return rows, nil
}

func (p *page) matches(in *compiledInput) bool {
	for _, want := range in.where {
		if string(p.values[want.label]) != want.value {
			return false
		}
	}
	return true
}

// put stores the value of an input's series. Its task, where it has one and it
// is known already, is given by index.
func (p *page) put(row int, in *compiledInput, task int, braces []byte, value float64) *Failure {
	var key []byte
	if in.key >= 0 {
		key = p.values[in.key]
	}
	point := 0
	switch f := in.Figure; {
	case f < numbers:
		if p.seen.contains(f) {
			return fail(BadPage, "%s is on the page twice", in.Metric)
		}
		p.numbers[f] = value
	case f == CpuBusySeconds || f == CpuIdleSeconds:
		p.cpu.add(row, f, key, value)
	case f == MountTotal || f == MountAvailable:
		if holds(key, p.dataRoot) {
			point = len(key)
		}
		p.mounts[f-MountTotal].put(point, value)
	default:
		var failure *Failure
		if task, failure = p.putTask(in, task, key, braces, value); failure != nil {
			return failure
		}
	}
	p.seen.add(in.Figure)
	p.draft.use(row, max(task, 0), point)
	return nil
}

// excerpt bounds what of a page is quoted in an error.
func excerpt(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
