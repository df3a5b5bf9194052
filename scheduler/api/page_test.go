package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

func TestPageRunsItsOwnScriptOnly(t *testing.T) {
	_, base := serve(t)
	answer, text := ask(t, "GET", base+"/", "")
	policy := answer.Header.Get("Content-Security-Policy")
	if answer.StatusCode != 200 || !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
		t.Fatalf("%s, policy %q", answer.Status, policy)
	}
	for _, element := range []string{"script", "style"} {
		found := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(text, -1)
		if len(found) != 1 {
			t.Fatalf("there are %d elements %s", len(found), element)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(policy, "'sha256-"+hash+"'") {
			t.Errorf("the policy %q does not let the %s run", policy, element)
		}
	}
	for _, banned := range []string{` on[a-z]+=`, ` style=`, `innerHTML`, `https?://[^w]`, `<script `, `eval\(`} {
		if at := regexp.MustCompile(banned).FindString(text); at != "" {
			t.Errorf("the page has %q", at)
		}
	}
	if !bytes.Contains(pageHTML, []byte(`name="viewport"`)) {
		t.Error("the page is not made for a phone")
	}
}
