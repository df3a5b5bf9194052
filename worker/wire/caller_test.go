package wire

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// What is asked for arrives as it was meant, whatever the base and the names.
func TestACallerAsksForWhatItIsTold(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer server.Close()
	for _, base := range []string{"", "/", "/cube", "/cube/", "/a%2Fb", "/cube?x=1#y"} {
		caller, err := NewCaller("worker", server.URL+base, server.Client())
		if err != nil {
			t.Fatal(err)
		}
		prefix := map[string]string{"": "", "/": "", "/a%2Fb": "/a%2Fb"}
		begin, listed := prefix[base]
		if !listed {
			begin = "/cube"
		}
		for _, path := range []string{"/tasks", "/nodes/" + url.PathEscape("a b?c%d/é"), "/nodes/127.0.0.1:80"} {
			for _, query := range []url.Values{nil, {"wait": {"1s"}, "name": {"a&b"}}} {
				answer, err := caller.Do(t.Context(), Request{Method: http.MethodPost, Path: path, Query: query, Body: []byte("{}")})
				if err != nil {
					t.Fatal(err)
				}
				closeBody(answer)
				if got.URL.EscapedPath() != begin+path || got.URL.RawQuery != query.Encode() || "http://"+got.Host != server.URL {
					t.Errorf("%s and %s with %v is %s of %s", base, path, query, got.URL, got.Host)
				}
			}
		}
	}
}
