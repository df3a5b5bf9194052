package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
)

//go:embed page.html
var pageHTML []byte

// page is the one page for people, with the policy that lets a browser run its
// own script and style and nothing else.
type page struct {
	policy string
}

func newPage() page {
	return page{policy: fmt.Sprintf(
		"default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hashOf("script"), hashOf("style"))}
}

// hashOf is the hash of an element's content, as a Content-Security-Policy
// names it.
func hashOf(element string) string {
	_, rest, _ := bytes.Cut(pageHTML, []byte("<"+element+">"))
	content, _, _ := bytes.Cut(rest, []byte("</"+element+">"))
	sum := sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (a *api) servePage(w http.ResponseWriter, r *http.Request) error {
	header := w.Header()
	header.Set("Content-Security-Policy", a.page.policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "text/html; charset=utf-8")
	sum := sha256.Sum256(pageHTML)
	if notModified(w, r, base64.RawURLEncoding.EncodeToString(sum[:8])) {
		return nil
	}
	_, _ = w.Write(pageHTML) // the browser may be gone
	return nil
}
