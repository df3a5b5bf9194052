package web

import (
	"io"
	"math"
	"strconv"

	dto "github.com/prometheus/client_model/go"
)

// text is a page in the classic text format that is being written, as expfmt
// writes it, byte for byte, which a fuzz test holds it to. It stands beside expfmt
// since that, which checks every name of every line and calls a writer for each
// piece of it, takes a fifth of a scrape's CPU.
type text []byte

// Write implements io.Writer, for what expfmt writes.
func (t *text) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	return len(p), nil
}

var _ io.Writer = (*text)(nil)

// plain reports whether a family has one figure a line and is written here; what
// has not, or has time stamps, expfmt writes itself.
func plain(family *dto.MetricFamily) bool {
	kind := family.GetType()
	if kind != dto.MetricType_GAUGE && kind != dto.MetricType_COUNTER || family.Help == nil || len(family.Metric) == 0 {
		return false
	}
	for _, metric := range family.Metric {
		if metric.TimestampMs != nil || kind == dto.MetricType_GAUGE && metric.Gauge == nil || kind == dto.MetricType_COUNTER && metric.Counter == nil {
			return false
		}
	}
	return true
}

// valueOf is the figure of a metric of a plain family of that kind.
func valueOf(kind dto.MetricType, metric *dto.Metric) float64 {
	if kind == dto.MetricType_GAUGE {
		return metric.Gauge.GetValue()
	}
	return metric.Counter.GetValue()
}

// appendHeader writes what stands before the lines of a plain family.
func appendHeader(b []byte, family *dto.MetricFamily) []byte {
	b = append(append(append(b, "# HELP "...), family.GetName()...), ' ')
	b = appendEscaped(b, family.GetHelp(), false)
	b = append(append(append(b, "\n# TYPE "...), family.GetName()...), ' ')
	if family.GetType() == dto.MetricType_GAUGE {
		return append(b, "gauge\n"...)
	}
	return append(b, "counter\n"...)
}

// appendSeries writes a line as far as its figure.
func appendSeries(b []byte, name string, metric *dto.Metric) []byte {
	b = append(b, name...)
	separator := byte('{')
	for _, pair := range metric.Label {
		b = append(b, separator)
		b = append(b, pair.GetName()...)
		b = append(b, `="`...)
		b = appendEscaped(b, pair.GetValue(), true)
		b = append(b, '"')
		separator = ','
	}
	if separator == ',' {
		b = append(b, '}')
	}
	return append(b, ' ')
}

// appendEscaped writes s with a backslash before backslashes and, where quotes is
// set, quotes; a newline becomes \n.
func appendEscaped(b []byte, s string, quotes bool) []byte {
	from := 0
	for i := range len(s) {
		c := s[i]
		if c != '\\' && c != '\n' && (c != '"' || !quotes) {
			continue
		}
		b = append(append(b, s[from:i]...), '\\')
		if c == '\n' {
			c = 'n'
		}
		b = append(b, c)
		from = i + 1
	}
	return append(b, s[from:]...)
}

func appendFloat(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1e6: // written without an exponent, and -0 as 0
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}
