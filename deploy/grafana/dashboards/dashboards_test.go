package dashboards_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"

	"cube/deploy/grafana/dashboards"
)

func TestFilesAreCurrent(t *testing.T) {
	t.Parallel()
	var want []string
	for _, d := range all(t) {
		want = append(want, d.File)
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(d.File)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, kept) {
			t.Errorf("%s is not what the code makes; run go generate ./deploy/grafana/...", d.File)
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("the files are %q; the code makes %q", files, want)
	}
}

func TestStrictDecoderAcceptsFiles(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	for _, d := range all(t) {
		text, err := os.ReadFile(d.File)
		if err != nil {
			t.Fatal(err)
		}
		var strict dashboards.Model
		// The SDK returns an empty list, and not nil, where nothing is wrong.
		if errs := (cog.BuildErrors{}); !errors.As(strict.UnmarshalJSONStrict(text), &errs) || len(errs) > 0 {
			t.Errorf("%s: %v", d.File, errs)
		}
		var decoded dashboards.Model
		if err := json.Unmarshal(text, &decoded); err != nil {
			t.Fatalf("%s: %v", d.File, err)
		}
		if err := decoded.Validate(); err != nil {
			t.Errorf("%s: %v", d.File, err)
		}
	}
}

func TestStrictDecoderRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	text, err := all(t)[0].JSON()
	if err != nil {
		t.Fatal(err)
	}
	wrong := bytes.Replace(text, []byte(`"graphMode"`), []byte(`"grafMode"`), 1)
	if bytes.Equal(wrong, text) {
		t.Fatal("the dashboard has no graphMode to misspell")
	}
	var decoded dashboards.Model
	if errs := (cog.BuildErrors{}); !errors.As(decoded.UnmarshalJSONStrict(wrong), &errs) || len(errs) == 0 {
		t.Error("a misspelt option is accepted")
	}
}

func TestPanelsExplainThemselves(t *testing.T) {
	t.Parallel()
	for _, d := range all(t) {
		titles := map[string]bool{}
		for _, p := range d.Model.Panels {
			if p.Panel == nil {
				continue
			}
			title := *p.Panel.Title
			if titles[title] {
				t.Errorf("%s has two panels %q", d.File, title)
			}
			titles[title] = true
			if p.Panel.Description == nil || *p.Panel.Description == "" {
				t.Errorf("%s, %s: no description", d.File, title)
			}
			if p.Panel.Datasource == nil || *p.Panel.Datasource.Uid != "${datasource}" {
				t.Errorf("%s, %s: the data source is not the chosen one", d.File, title)
			}
			if len(p.Panel.Targets) == 0 {
				t.Errorf("%s, %s: no query", d.File, title)
			}
			unit := p.Panel.FieldConfig.Defaults.Unit
			if p.Panel.Type == "timeseries" && (unit == nil || *unit == "") {
				t.Errorf("%s, %s: no unit", d.File, title)
			}
		}
	}
}

func TestPanelsFillTheGridWithoutOverlap(t *testing.T) {
	t.Parallel()
	const width = 24
	for _, d := range all(t) {
		taken := map[[2]uint32]string{}
		for _, p := range d.Model.Panels {
			if p.Panel == nil {
				continue
			}
			at, title := p.Panel.GridPos, *p.Panel.Title
			if at.X+at.W > width {
				t.Errorf("%s, %s: ends in column %d of %d", d.File, title, at.X+at.W, width)
			}
			for x := at.X; x < at.X+at.W; x++ {
				for y := at.Y; y < at.Y+at.H; y++ {
					if other, ok := taken[[2]uint32{x, y}]; ok {
						t.Fatalf("%s: %s lies on %s", d.File, title, other)
					}
					taken[[2]uint32{x, y}] = title
				}
			}
		}
	}
}

func TestLinksLeadToDashboardsThatExist(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for _, d := range all(t) {
		uids[*d.Model.Uid] = true
	}
	found := 0
	for _, d := range all(t) {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, rest := range strings.Split(string(text), `"/d/`)[1:] {
			found++
			uid, _, _ := strings.Cut(rest, "?")
			if !uids[uid] {
				t.Errorf("%s links to %q, which is no dashboard", d.File, uid)
			}
		}
	}
	if found == 0 {
		t.Error("no dashboard links to another")
	}
}

func all(t *testing.T) []dashboards.Dashboard {
	t.Helper()
	all, err := dashboards.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
