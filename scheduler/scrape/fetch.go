package scrape

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// fetcher gets the bodies of pages over HTTP. Its methods may be called
// concurrently.
type fetcher struct {
	client  *http.Client
	headers http.Header
	timeout time.Duration
	maxBody int64
}

// errOtherHost is why a redirect was not followed.
var errOtherHost = errors.New("the redirect leads to another host")

// maxRedirects is how many redirects on one host are followed.
const maxRedirects = 3

func newFetcher(client *http.Client, timeout time.Duration, maxBody int64) *fetcher {
	own := *client
	own.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		first := via[0].URL
		if next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
			return errOtherHost
		}
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if client.CheckRedirect != nil {
			return client.CheckRedirect(next, via)
		}
		return nil
	}
	return &fetcher{client: &own, timeout: timeout, maxBody: maxBody, headers: http.Header{
		"Accept": {"text/plain;version=0.0.4;q=1,text/plain;q=0.5"},
		// Decompressing costs both sides more than the bytes do on a LAN.
		"Accept-Encoding": {"identity"},
		"User-Agent":      {"cube-manager"},
		// Exporters that know it give up before the deadline does.
		"X-Prometheus-Scrape-Timeout-Seconds": {strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64)},
	}}
}

// fetch reads the whole body of the target's page into buffer. One deadline is
// over connecting, headers and body together.
func (f *fetcher) fetch(ctx context.Context, template *http.Request, buffer *bytes.Buffer) *Failure {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	// Cancelling first makes Close drop the connection of a body that was
	// not read to its end, rather than read on.
	defer cancel()
	request := template.WithContext(ctx)
	request.Header = f.headers // shared: a RoundTripper may not change it
	response, err := f.client.Do(request)
	if err != nil {
		return f.broken(err)
	}
	defer func() { _ = response.Body.Close() }()
	if failure := f.acceptable(response); failure != nil {
		cancel()
		return failure
	}
	body, failure := f.decoded(response)
	if failure != nil {
		cancel()
		return failure
	}
	if n := response.ContentLength; n > 0 {
		buffer.Grow(int(n) + bytes.MinRead)
	}
	n, err := buffer.ReadFrom(io.LimitReader(body, f.maxBody+1))
	if n > f.maxBody {
		cancel()
		return fail(TooLarge, "the page is longer than %d bytes", f.maxBody)
	}
	if err != nil {
		return f.broken(err)
	}
	return nil
}

// acceptable looks at what the headers say.
func (f *fetcher) acceptable(r *http.Response) *Failure {
	if r.StatusCode != http.StatusOK {
		return fail(BadStatus, "it answered %q; want 200 OK", r.Status)
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "text/plain" {
		return fail(BadPage, "its Content-Type is %q; want text/plain", excerpt(r.Header.Get("Content-Type")))
	}
	if r.ContentLength > f.maxBody {
		return fail(TooLarge, "the page is %d bytes long; at most %d are read", r.ContentLength, f.maxBody)
	}
	// Without a length, chunks or HTTP/2's frames, a connection that broke
	// looks like the end of the page.
	if r.ContentLength < 0 && r.ProtoMajor == 1 && len(r.TransferEncoding) == 0 {
		return fail(BadPage, "it tells the length of its page neither by Content-Length nor by chunks, so a page cut off could not be told")
	}
	return nil
}

// decoded undoes the gzip of a server that compresses without being asked.
func (f *fetcher) decoded(r *http.Response) (io.Reader, *Failure) {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, f.broken(err)
		}
		return body, nil
	default:
		return nil, fail(BadPage, "its Content-Encoding is %q, which was not asked for", excerpt(encoding))
	}
}

// broken says why no whole answer came.
func (f *fetcher) broken(err error) *Failure {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats method and URL
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fail(Timeout, "no whole answer within %s", f.timeout).because(err)
	case errors.Is(err, errOtherHost):
		return fail(BadRedirect, "%v, which is not followed", err).because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail(BadPage, "the page is cut off: the connection ended before its end").because(err)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return fail(BadPage, "its gzip is damaged: %v", err).because(err)
	default:
		return fail(Unreachable, "%s", excerpt(err.Error())).because(err)
	}
}
