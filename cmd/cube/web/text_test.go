package web

import (
	"bytes"
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
		var got text
		if err := got.encode(family); err != nil || string(got) != want.String() {
			t.Errorf("%v\n%q, expfmt writes\n%q", err, got, &want)
		}
	})
}
