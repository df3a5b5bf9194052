package supervise

import (
	"slices"
	"strings"
	"testing"
)

// FuzzText holds the functions of this package against those of strings.
func FuzzText(f *testing.F) {
	for _, text := range []string{"", "a", "/", "//a//b/", "a\nb\n", "\n\n", " 1 (a) b) S 2\t3\n", "a,b,,c"} {
		f.Add(text, byte('/'))
		f.Add(text, byte('\n'))
	}
	f.Fuzz(func(t *testing.T, text string, c byte) {
		at := string([]byte{c})
		before, after, found := cut(text, c)
		if b, a, is := strings.Cut(text, at); b != before || a != after || is != found {
			t.Errorf("cut %q, %q, %v; want %q, %q, %v", before, after, found, b, a, is)
		}
		want := strings.Split(strings.TrimSuffix(text, at), at)
		if text == "" {
			want = nil
		}
		if got := slices.Collect(split(text, c)); !slices.Equal(got, want) {
			t.Errorf("split %q; want %q", got, want)
		}
		if got, want := lastByte(text, c), strings.LastIndexByte(text, c); got != want {
			t.Errorf("the last is at %d; want %d", got, want)
		}
		if c < 0x80 { // a cutset is of runes
			if got, want := trim(text, c), strings.Trim(text, at); got != want {
				t.Errorf("trimmed %q; want %q", got, want)
			}
		}
		white := func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }
		if got, want := fields(text), strings.FieldsFunc(text, white); !slices.Equal(got, want) {
			t.Errorf("the fields are %q; want %q", got, want)
		}
	})
}
