package web

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// pair connects a socket with an ordinary connection.
func pair(t testing.TB) (*socket, net.Conn) {
	t.Helper()
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server.(*socket), client
}

// A socket is a net.Conn as net's own are: deadlines, closing under way, many at
// once.
func TestSocketIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		server, client := pair(t)
		return server, client, func() { client.Close(); server.Close() }, nil
	})
}

// The beginning of an answer waits for the rest, and for the rest only.
func TestWhatIsHeldGoesOutWithTheRest(t *testing.T) {
	server, client := pair(t)
	nothing := func() {
		t.Helper()
		if err := client.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d bytes came, %v", n, err)
		}
		if err := client.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	write := func(p []byte) {
		t.Helper()
		if n, err := server.Write(p); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d bytes, %v", n, len(p), err)
		}
	}
	read := func(want []byte) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %.20q…, want %.20q…, %v", got, want, err)
		}
	}
	head, rest := bytes.Repeat([]byte("a"), mostHeld), bytes.Repeat([]byte("b"), 10_000)
	for range 2 {
		server.hold()
		write(head)
		nothing()
		write(rest)
		read(append(bytes.Clone(head), rest...))
		write([]byte("tail"))
		nothing()
		server.release()
		read([]byte("tail"))
		write([]byte("free"))
		read([]byte("free"))
	}
}

// A page far larger than what the kernel takes at once comes whole.
func TestAnswerThatTheKernelTakesInParts(t *testing.T) {
	server, client := pair(t)
	page := strings.Repeat("0123456789abcdef", 1<<20)
	served := make(chan error, 1)
	go func() {
		defer server.Close()
		server.hold()
		_, err := server.Write([]byte(page[:1000]))
		if err == nil {
			_, err = server.Write([]byte(page[1000:]))
		}
		server.release()
		served <- err
	}()
	got, err := io.ReadAll(client)
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	if string(got) != page {
		t.Errorf("%d bytes came, not the %d that were sent", len(got), len(page))
	}
}

// Answers of all sizes about those of the buffers, one after the other over one
// connection.
func TestAnswersOfEverySize(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 20_000)
	server := &http.Server{ConnContext: withHolder, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Context().Value(holderKey{}).(holder); !ok {
			t.Error("the connection is none that holds")
		}
		writeAtOnce(w, r, body[:len(r.URL.Query().Get("n"))])
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, n := range []int{0, 1, 1000, 2047, 2048, 2049, 3800, 3900, 3950, 4000, 4050, 4095, 4096, 4097, 8192, 20_000} {
		if _, err := io.WriteString(conn, "GET /?n="+strings.Repeat("i", n)+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(response.Body); err != nil || len(got) != n {
			t.Errorf("%d bytes of %d, %v", len(got), n, err)
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
