package supervise

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLogWriterDropsWhatADiskRefuses(t *testing.T) {
	dir := t.TempDir()
	w := NewLogWriter(dir, 1<<20, 2)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Copy("stdout", strings.NewReader("kept\n"))
	good := w.file
	w.file = full
	w.Copy("stdout", strings.NewReader("lost\n"))
	w.file = good
	w.Copy("stdout", strings.NewReader("kept too\n"))
	if err := w.Wait(0); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("the end says %v; want how much was lost and why", err)
	}
	data, err := os.ReadFile(LogPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for line := range bytes.Lines(data) {
		if _, text, found := bytes.Cut(bytes.TrimSuffix(line, []byte{'\n'}), []byte(" stdout F ")); found {
			texts = append(texts, string(text))
		}
	}
	if !slices.Equal(texts, []string{"kept", "kept too"}) {
		t.Errorf("on disk: %q", texts)
	}
}
