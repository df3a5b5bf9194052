package web

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	dto "github.com/prometheus/client_model/go"
)

// familiesOf makes a page of some families of some series, with figures by draw.
func familiesOf(names int, series int, help, label string, draw func() float64) (families []*dto.MetricFamily) {
	kind, device, task := dto.MetricType_GAUGE, "device", "task"
	for i := range names {
		name, text := fmt.Sprintf("cube_metric_%03d_bytes", i), fmt.Sprintf("%s, as the %dth of all figures.", help, i)
		family := &dto.MetricFamily{Name: &name, Help: &text, Type: &kind}
		for j := range series {
			value, first, second := draw(), fmt.Sprintf("%s%d", label, j), fmt.Sprintf("%08x-%04x", j*2654435761, j*i)
			family.Metric = append(family.Metric, &dto.Metric{
				Label: []*dto.LabelPair{{Name: &device, Value: &first}, {Name: &task, Value: &second}}, Gauge: &dto.Gauge{Value: &value},
			})
		}
		families = append(families, family)
	}
	return families
}

// drawing draws figures of all sizes: few digits, many, and none at all.
func drawing(seed uint64) func() float64 {
	random := rand.New(rand.NewPCG(seed, 1))
	return func() float64 {
		switch random.IntN(4) {
		case 0:
			return float64(random.IntN(3))
		case 1:
			return random.Float64()
		case 2:
			return float64(random.Int64N(1 << 40))
		}
		return math.Float64frombits(random.Uint64())
	}
}

// render lays a page out where l is nil, and writes it.
func render(t testing.TB, l *layout, families []*dto.MetricFamily) (*layout, *page) {
	t.Helper()
	if l == nil {
		l = newLayout(families)
	}
	p := &page{}
	if !l.render(p, families, log.New(t.Output(), "", 0)) {
		t.Fatal("the layout does not hold for figures alone")
	}
	return l, p
}

// room is a slice with room for a compressed page, as a layout has it.
func room(p *page) []byte { return make([]byte, 0, 2*len(p.text)+1024) }

// FuzzDeflate holds what was compressed with figures of one page against the
// standard library's reader, for figures of another.
func FuzzDeflate(f *testing.F) {
	f.Add(uint16(50), uint16(3), uint64(1), "Bytes that an ordinary user can still write", "/srv/")
	f.Add(uint16(1), uint16(1), uint64(2), "", "")
	f.Add(uint16(2), uint16(300), uint64(3), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaa")
	f.Add(uint16(300), uint16(2), uint64(4), "Größe\n\"x\"\\ \xff\x00", "\\\n")
	f.Fuzz(func(t *testing.T, names, series uint16, seed uint64, help, label string) {
		names, series = names%400, series%400
		if int(names)*int(series)*(len(label)+len(help)+60) > 1<<18 {
			t.Skip() // not faults, but slow
		}
		laid, first := render(t, nil, familiesOf(int(names), int(series), help, label, drawing(seed)))
		d := newDeflater(laid.fixed, first)
		for again := range uint64(3) {
			_, p := render(t, laid, familiesOf(int(names), int(series), help, label, drawing(seed+again)))
			packed, ok := d.encode(room(p), p)
			if !ok {
				if len(p.text) < window-margin || again == 0 {
					t.Errorf("a page of %d bytes is refused", len(p.text))
				}
				continue
			}
			reader, err := stdgzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(reader)
			if err != nil || !bytes.Equal(got, p.text) {
				t.Fatalf("%v: %d bytes, want the %d\n%s", err, len(got), len(p.text), p.text)
			}
		}
	})
}

// A page that a distance became too long for is a general compressor's, and so is
// one with a figure of other characters.
func TestPagesThatADeflaterRefuses(t *testing.T) {
	draw := func(v float64) func() float64 { return func() float64 { return v } }
	laid, short := render(t, nil, familiesOf(2, 480, "Help", "/", draw(1)))
	d := newDeflater(laid.fixed, short)
	if _, ok := d.encode(room(short), short); !ok {
		t.Error("its own page is refused")
	}
	_, long := render(t, laid, familiesOf(2, 480, "Help", "/", draw(-2.2250738585072014e-308)))
	if _, ok := d.encode(room(long), long); ok {
		t.Error("a page is taken whose distances are too long")
	}
	odd := &page{text: bytes.Clone(short.text), shifts: short.shifts}
	odd.text[len(laid.fixed[0])] = '!'
	if _, ok := d.encode(room(odd), odd); ok {
		t.Error("a page is taken with a character that has no code")
	}
}

// What is found once is found well: a page is no larger than by the general
// compressor's fastest level.
func TestDeflatedPagesAreNoLarger(t *testing.T) {
	laid, first := render(t, nil, familiesOf(50, 3, "Bytes that an ordinary user can still write", "/srv/", drawing(1)))
	d := newDeflater(laid.fixed, first)
	_, p := render(t, laid, familiesOf(50, 3, "Bytes that an ordinary user can still write", "/srv/", drawing(2)))
	own, ok := d.encode(room(p), p)
	var theirs bytes.Buffer
	w, err := gzip.NewWriterLevel(&theirs, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(p.text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes: %d, by the general compressor %d", len(p.text), len(own), theirs.Len())
	if !ok || len(own) > theirs.Len() {
		t.Errorf("%d bytes are %d, by the general compressor %d", len(p.text), len(own), theirs.Len())
	}
}

// A Huffman code is one: no longer than its bound, complete, and the shorter the
// more often a symbol occurs.
func TestCodeLengths(t *testing.T) {
	fibonacci := []int{1, 1}
	for range 40 {
		fibonacci = append(fibonacci, fibonacci[len(fibonacci)-1]+fibonacci[len(fibonacci)-2])
	}
	for name, test := range map[string]struct {
		frequencies []int
		limit       int
	}{
		"one":            {[]int{0, 5, 0}, 7},
		"two":            {[]int{0, 5, 1}, 7},
		"all alike":      {slices.Repeat([]int{3}, 30), 15},
		"as deep as can": {fibonacci, 15},
		"and less":       {fibonacci[:19], 7},
	} {
		lengths := codeLengths(test.frequencies, test.limit)
		var sum float64
		for symbol, n := range lengths {
			if (n > 0) != (test.frequencies[symbol] > 0) || int(n) > test.limit {
				t.Errorf("%s: symbol %d, %d times, has %d bits", name, symbol, test.frequencies[symbol], n)
			}
			if n > 0 {
				sum += math.Pow(2, -float64(n))
			}
		}
		if sum != 1 && name != "one" {
			t.Errorf("%s: %v of the codes are used", name, sum)
		}
	}
}

// BenchmarkDeflate compares with the general compressor.
func BenchmarkDeflate(b *testing.B) {
	laid, p := render(b, nil, familiesOf(50, 3, "Bytes that an ordinary user can still write", "/srv/", drawing(1)))
	d := newDeflater(laid.fixed, p)
	into := room(p)
	b.Run("layout", func(b *testing.B) {
		for b.Loop() {
			d.encode(into, p)
		}
	})
	b.Run("once a layout", func(b *testing.B) {
		for b.Loop() {
			newDeflater(laid.fixed, p)
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		for b.Loop() {
			out.Reset()
			w.Reset(&out)
			if _, err = w.Write(p.text); err == nil {
				err = w.Close()
			}
		}
		if err != nil {
			b.Fatal(err)
		}
	})
}
