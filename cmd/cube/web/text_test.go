package web

import (
	"bytes"
	"io"
	"log"
	"math"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// FuzzText holds the writer of the text format against expfmt's.
func FuzzText(f *testing.F) {
	for _, value := range []float64{0, math.Copysign(0, -1), 1, -1, 12.5, 999999, 1e6, 1000001, 1 << 40, -123456, 1e21, 5e-324, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)} {
		f.Add("help", "/srv", value, int64(0), true)
	}
	f.Add("a \\ and a\nline \"quoted\"", "C:\\größe\n\"x\"\xff", 2.25, int64(-1700), false)
	f.Fuzz(func(t *testing.T, help, label string, value float64, stamp int64, gauge bool) {
		name, names, kind := "cube_x_bytes", []string{"device", "mountpoint"}, dto.MetricType_GAUGE
		labelled, bare := &dto.Metric{}, &dto.Metric{}
		if gauge {
			labelled.Gauge, bare.Gauge = &dto.Gauge{Value: &value}, &dto.Gauge{Value: &value}
		} else {
			kind = dto.MetricType_COUNTER
			labelled.Counter, bare.Counter = &dto.Counter{Value: &value}, &dto.Counter{Value: &value}
		}
		labelled.Label = []*dto.LabelPair{{Name: &names[0], Value: &help}, {Name: &names[1], Value: &label}}
		if stamp != 0 {
			bare.TimestampMs = &stamp
		}
		family := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: []*dto.Metric{labelled, bare}}
		var want bytes.Buffer
		if _, err := expfmt.MetricFamilyToText(&want, family); err != nil {
			t.Fatal(err)
		}
		families, silent := []*dto.MetricFamily{family}, log.New(io.Discard, "", 0)
		laid := newLayout(families)
		var got page
		for range 2 {
			if !laid.render(&got, families, silent) || string(got.text) != want.String() {
				t.Errorf("%q, expfmt writes\n%q", got.text, &want)
			}
		}
		// Another text is another layout.
		other := label + "x"
		labelled.Label[1].Value = &other
		if stamp == 0 && laid.render(&got, families, silent) {
			t.Errorf("the layout holds for another label: %q", got.text)
		}
	})
}
