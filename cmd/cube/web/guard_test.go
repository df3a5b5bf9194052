package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cube/worker/wire"
)

// What a hostile page, another local user or a mistaken client may try, and
// what each gets.
func TestHostileRequests(t *testing.T) {
	guard := Guard{Hosts: []string{"node1.example"}, Token: "s3cret", TokenHint: "it is in a file"}
	const (
		token = "Bearer s3cret"
		json  = "application/json"
	)
	for name, test := range map[string]struct {
		method, host, origin, site, auth, contentType, body string
		code                                                wire.Code // "" passes
	}{
		"read by address":                    {method: "GET", host: "127.0.0.1:5555"},
		"read by IPv6 address":               {method: "GET", host: "[::1]:5555"},
		"read by localhost":                  {method: "GET", host: "localhost:5555"},
		"read by a known name":               {method: "GET", host: "NODE1.example.:5555"},
		"read after DNS rebinding":           {method: "GET", host: "evil.example:5555", code: wire.CodeForbiddenHost},
		"read with an empty host":            {method: "GET", host: "", code: wire.CodeForbiddenHost},
		"host that only looks like an IP":    {method: "GET", host: "127.0.0.1.evil.example", code: wire.CodeForbiddenHost},
		"write":                              {method: "POST", host: "localhost", auth: token, contentType: json, body: "{}"},
		"write with charset":                 {method: "POST", host: "localhost", auth: "bearer s3cret", contentType: json + "; charset=utf-8", body: "{}"},
		"delete without a body":              {method: "DELETE", host: "localhost", auth: token},
		"write after DNS rebinding":          {method: "POST", host: "evil.example", auth: token, contentType: json, code: wire.CodeForbiddenHost},
		"post by a page of another origin":   {method: "POST", host: "localhost:5555", origin: "https://evil.example", auth: token, contentType: json, code: wire.CodeCrossOrigin},
		"post by a page on another port":     {method: "POST", host: "localhost:5555", origin: "http://localhost:8080", auth: token, contentType: json, code: wire.CodeCrossOrigin},
		"cross-site by Sec-Fetch-Site":       {method: "DELETE", host: "localhost", site: "cross-site", auth: token, code: wire.CodeCrossOrigin},
		"own page":                           {method: "POST", host: "localhost:5555", origin: "http://localhost:5555", site: "same-origin", auth: token, contentType: json},
		"form without asking first":          {method: "POST", host: "localhost", auth: token, contentType: "text/plain", code: wire.CodeUnsupportedMedia},
		"write without a type":               {method: "POST", host: "localhost", auth: token, code: wire.CodeUnsupportedMedia},
		"delete with a body of another type": {method: "DELETE", host: "localhost", auth: token, contentType: "text/plain", body: "x", code: wire.CodeUnsupportedMedia},
		"write without a token":              {method: "POST", host: "localhost", contentType: json, code: wire.CodeUnauthorized},
		"write with a wrong token":           {method: "POST", host: "localhost", auth: "Bearer guess", contentType: json, code: wire.CodeUnauthorized},
		"token as basic authentication":      {method: "POST", host: "localhost", auth: "Basic s3cret", contentType: json, code: wire.CodeUnauthorized},
		"unknown method":                     {method: "TRACE", host: "localhost", code: wire.CodeUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			reached := false
			handler := guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			r := httptest.NewRequest(test.method, "http://placeholder/tasks", strings.NewReader(test.body))
			r.Host = test.host
			for header, value := range map[string]string{
				"Origin": test.origin, "Sec-Fetch-Site": test.site, "Authorization": test.auth, "Content-Type": test.contentType,
			} {
				if value != "" {
					r.Header.Set(header, value)
				}
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, r)
			if reached != (test.code == "") {
				t.Errorf("reached the handler: %v", reached)
			}
			if reached {
				return
			}
			if got := wire.ReadError(recorder.Result()); got.Code != test.code {
				t.Errorf("got %+v; want code %s", got, test.code)
			}
			if body := recorder.Body.String(); strings.Contains(body, "s3cret") {
				t.Errorf("the answer tells the token: %s", body)
			}
		})
	}
}

func TestNoTokenNeededWhereNoneIsSet(t *testing.T) {
	guard := Guard{}
	r := httptest.NewRequest(http.MethodDelete, "http://localhost/tasks/x", nil)
	recorder := httptest.NewRecorder()
	guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(recorder, r)
	if recorder.Code != http.StatusNoContent {
		t.Errorf("got %d: %s", recorder.Code, recorder.Body)
	}
}
