package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics serves a page as promhttp does, byte for byte, at about half of its
// cost: the format and the compression are promhttp's choice, made once for each
// combination of headers that clients send; families whose names need no
// escaping are not copied to be escaped; the text format has a writer of its own
// (text.go), which keeps what does not change from page to page (layout.go), also
// compressed (deflate.go); the page is encoded into a kept buffer and sent in one
// piece, with its length, so that no client takes a part for the whole; and
// klauspost's gzip, for all other pages, takes a third of the standard library's
// CPU.
type Metrics struct {
	gatherer prometheus.TransactionalGatherer
	promhttp http.Handler // for requests that are not for the whole page
	log      promhttp.Logger
	places   Places
	choices  choices
	layout   atomic.Pointer[layout] // of the last page in the text format
	buffers  sync.Pool              // of *buffers
}

// buffers are one page's: as text, and compressed.
type buffers struct {
	page
	packed bytes.Buffer
	gzip   *gzip.Writer
	zstd   *zstd.Encoder
}

// largestKept is how large a buffer is kept: more than a page of 500 tasks.
const largestKept = 1 << 20

// NewMetrics makes the handler. What cannot be gathered is left out and said to
// the log; a page that nothing is left of is 500, one more than there are places
// for is 503. All metrics and labels have to have names in the classic form
// (letters, digits, "_", and ":").
func NewMetrics(gatherer prometheus.TransactionalGatherer, log promhttp.Logger, places Places) *Metrics {
	opts := promhttp.HandlerOpts{ErrorLog: log, ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true}
	return &Metrics{
		gatherer: gatherer, log: log, places: places, promhttp: promhttp.HandlerForTransactional(gatherer, opts),
		choices: choices{handler: promhttp.HandlerForTransactional(nothing{}, opts)},
	}
}

// ServeHTTP implements http.Handler.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !m.places.take(r.Context()) {
		m.places.refuse(w)
		return
	}
	leave := sync.OnceFunc(m.places.leave)
	defer leave()
	if r.URL.RawQuery != "" && r.URL.Query().Has("name[]") { // narrows the page
		m.promhttp.ServeHTTP(w, r)
		return
	}
	b, kept := m.buffers.Get().(*buffers)
	if !kept {
		b = &buffers{}
	}
	defer m.keep(b)
	chosen := m.choices.of(r)
	body, err := m.page(b, chosen)
	leave()
	if err != nil {
		http.Error(w, "An error has occurred while serving metrics:\n\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	for name, values := range chosen.header {
		header[name] = values
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	writeAtOnce(w, r, body)
}

// page gathers and encodes the page. It is b's.
func (m *Metrics) page(b *buffers, chosen *choice) ([]byte, error) {
	families, done, err := m.gatherer.Gather()
	defer done()
	if err != nil {
		m.log.Println("error gathering metrics:", err)
		if len(families) == 0 {
			return nil, err
		}
	}
	if chosen.format.FormatType() != expfmt.TypeTextPlain {
		m.encode(b, families, chosen.format)
		return b.pack(chosen.encoding)
	}
	used := m.encodeText(b, families)
	if chosen.encoding == "gzip" && used.deflate(b) {
		return b.packed.Bytes(), nil
	}
	return b.pack(chosen.encoding)
}

// encode writes the page by expfmt. A family that cannot be encoded is left out.
func (m *Metrics) encode(b *buffers, families []*dto.MetricFamily, format expfmt.Format) {
	b.text = b.text[:0]
	encoder := expfmt.NewEncoder(&b.text, format)
	for _, family := range families {
		whole := len(b.text)
		if err := encoder.Encode(family); err != nil {
			b.text = b.text[:whole]
			m.log.Println("error encoding metric family:", err)
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok { // the end mark of OpenMetrics
		if err := closer.Close(); err != nil {
			m.log.Println("error encoding metrics:", err)
		}
	}
}

// encodeText writes the page by the layout of the last one, or makes a new one.
func (m *Metrics) encodeText(b *buffers, families []*dto.MetricFamily) *layout {
	if used := m.layout.Load(); used != nil && used.render(&b.page, families, m.log) {
		used.rendered.Add(1)
		return used
	}
	made := newLayout(families)
	made.render(&b.page, families, m.log)
	m.layout.Store(made)
	return made
}

// pack compresses the page, unless it is to be sent as it is.
func (b *buffers) pack(encoding string) ([]byte, error) {
	pack := b.packer(encoding)
	if pack == nil {
		return b.text, nil
	}
	err := pack()
	return b.packed.Bytes(), err
}

// packer compresses the text into packed; nil where it is not to be.
func (b *buffers) packer(encoding string) func() error {
	switch encoding {
	case "gzip":
		return func() error {
			if b.gzip == nil {
				b.gzip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level there is
			}
			b.packed.Reset()
			b.gzip.Reset(&b.packed)
			if _, err := b.gzip.Write(b.text); err != nil {
				return err
			}
			return b.gzip.Close()
		}
	case "zstd":
		return func() (err error) {
			if b.zstd == nil {
				b.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			}
			if err != nil {
				return err
			}
			b.packed.Reset()
			b.zstd.Reset(&b.packed)
			if _, err := b.zstd.Write(b.text); err != nil {
				return err
			}
			return b.zstd.Close()
		}
	}
	return nil
}

func (m *Metrics) keep(b *buffers) {
	if cap(b.text) <= largestKept {
		m.buffers.Put(b)
	}
}

// choices are what promhttp chose for the headers of clients so far.
type choices struct {
	handler http.Handler // promhttp's, of no metrics

	mu    sync.RWMutex // guards known
	known map[asked]*choice
}

// asked are the headers that the choice depends on.
type asked struct{ accept, encoding string }

// choice is how a client wants the page.
type choice struct {
	header   http.Header // Content-Type, Content-Encoding, Vary
	format   expfmt.Format
	encoding string
}

// The clients of a worker are few, and send few headers. Beyond that a choice is
// made at every scrape.
const (
	maxChoices = 64
	maxHeader  = 1 << 10 // bytes
)

// of returns the choice for a request.
func (c *choices) of(r *http.Request) *choice {
	accepts, encodings := r.Header["Accept"], r.Header["Accept-Encoding"]
	if len(accepts) > 1 || len(encodings) > 1 {
		return c.choose(r)
	}
	a := asked{r.Header.Get("Accept"), r.Header.Get("Accept-Encoding")}
	c.mu.RLock()
	chosen := c.known[a]
	c.mu.RUnlock()
	if chosen != nil {
		return chosen
	}
	chosen = c.choose(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) < maxChoices && len(a.accept)+len(a.encoding) <= maxHeader {
		if c.known == nil {
			c.known = map[asked]*choice{}
		}
		c.known[a] = chosen
	}
	return chosen
}

// choose has promhttp answer the request with an empty page. Names that need no
// escaping are the same under every scheme, so the scheme that copies nothing
// does for all.
func (c *choices) choose(r *http.Request) *choice {
	answer := unwritten{header: http.Header{}}
	c.handler.ServeHTTP(answer, r)
	for name, values := range answer.header {
		answer.header[name] = slices.Clip(values) // shared by all answers: what is added goes elsewhere
	}
	format := expfmt.Format(answer.header.Get("Content-Type"))
	return &choice{
		header: answer.header, encoding: answer.header.Get("Content-Encoding"),
		format: format.WithEscapingScheme(model.NoEscaping),
	}
}

// unwritten is a ResponseWriter that keeps the header only.
type unwritten struct{ header http.Header }

func (u unwritten) Header() http.Header         { return u.header }
func (u unwritten) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (u unwritten) WriteHeader(int)             {}

// nothing gathers no metrics.
type nothing struct{}

// Gather implements prometheus.TransactionalGatherer.
func (nothing) Gather() ([]*dto.MetricFamily, func(), error) { return nil, func() {}, nil }

// Places bounds how many pages are made at the same time. One that is made and on
// its way to a slow client takes no place. nil is no bound.
type Places chan struct{}

// NewPlaces makes so many; 0 is no bound.
func NewPlaces(n int) Places {
	if n <= 0 {
		return nil
	}
	return make(Places, n)
}

// patience is how long a request waits for a place. Pages take well below a
// millisecond: where there is none for so long, the machine is at its end.
const patience = 2 * time.Second

// take waits for a place, which is given back by leave, and reports whether there
// was one in time.
func (p Places) take(ctx context.Context) bool {
	if p == nil {
		return true
	}
	select {
	case p <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (p Places) leave() {
	if p != nil {
		<-p
	}
}

// refuse tells a client to come again.
func (p Places) refuse(w http.ResponseWriter) {
	text := "Limit of concurrent requests reached (" + strconv.Itoa(cap(p)) + "), try again later."
	http.Error(w, text, http.StatusServiceUnavailable)
}
