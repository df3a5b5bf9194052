package main

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"strings"

	"cube/scheduler/simulate"
)

// Measures of the picture, in pixels.
const (
	plotWidth  = 760
	plotLabel  = 130 // room for the policies' names
	plotBar    = 18  // from one bar to the next
	plotCurves = 190 // height of the curves
	plotMost   = 200 // percent of a node at the top of the curves
)

// plotted are the policies whose curve over the day is drawn, each in a colour
// that people who cannot tell red from green can tell too (Okabe and Ito).
var plotted = [...]struct{ policy, colour string }{
	{"random", "#e69f00"}, {"least-allocated", "#0072b2"}, {"measured", "#009e73"},
}

// writePlot writes a picture of the studies: for each the share of node-slots
// over by policy, and what one node is asked for over the day of the first
// schedule.
func writePlot(file string, studies []*simulate.Study) error {
	var body strings.Builder
	y := 10
	for _, s := range studies {
		y = drawBars(&body, s, y)
		y = drawCurves(&body, s, y)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		plotWidth, y, plotWidth, y)
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n%s</svg>\n", body.String())
	return os.WriteFile(file, out.Bytes(), 0o644)
}

func text(out *strings.Builder, x, y int, anchor, words string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="%s" fill="#222222">%s</text>`+"\n", x, y, anchor, html.EscapeString(words))
}

// drawBars draws a bar a policy, and returns where the next drawing begins.
func drawBars(out *strings.Builder, s *simulate.Study, y int) int {
	policies := byOver(s)
	most := s.Figure(policies[len(policies)-1], simulate.OverPercent).Mean
	text(out, 10, y+14, "start", s.Trace.Name+": node-slots over 100 % CPU, in percent")
	y += 24
	for _, p := range policies {
		over := s.Figure(p, simulate.OverPercent).Mean
		colour := "#999999"
		for _, c := range plotted {
			if c.policy == p {
				colour = c.colour
			}
		}
		width := 0.0
		if most > 0 {
			width = over / most * (plotWidth - plotLabel - 60)
		}
		text(out, plotLabel-6, y+12, "end", p)
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", plotLabel, y, width, plotBar-4, colour)
		text(out, plotLabel+int(width)+4, y+12, "start", fmt.Sprintf("%.2f", over))
		y += plotBar
	}
	return y + 12
}

// drawCurves draws what one node is asked for under each of the plotted
// policies, and returns where the next drawing begins.
func drawCurves(out *strings.Builder, s *simulate.Study, y int) int {
	node := busiest(s.Use[simulate.Random])
	text(out, 10, y+14, "start", fmt.Sprintf("%s: CPU asked of node %d over the day, in percent of what it has", s.Trace.Name, node))
	x := plotLabel
	y += 24
	for _, c := range plotted {
		if s.Use[c.policy] == nil {
			continue
		}
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`+"\n", x, y, c.colour)
		text(out, x+16, y+11, "start", c.policy)
		x += 140
	}
	y += 20
	for percent := 0; percent <= plotMost; percent += 50 {
		at := y + plotCurves - percent*plotCurves/plotMost
		colour := "#dddddd"
		if percent == 100 {
			colour = "#222222"
		}
		fmt.Fprintf(out, `<path d="M%d %dH%d" stroke="%s" fill="none"/>`+"\n", plotLabel, at, plotWidth-20, colour)
		text(out, plotLabel-6, at+4, "end", fmt.Sprint(percent))
	}
	for hour := 0; hour <= 24; hour += 6 {
		text(out, plotLabel+hour*(plotWidth-plotLabel-20)/24, y+plotCurves+16, "middle", fmt.Sprintf("%d h", hour))
	}
	for _, c := range plotted {
		if use := s.Use[c.policy]; use != nil {
			drawCurve(out, use, node, y, c.colour)
		}
	}
	return y + plotCurves + 30
}

func drawCurve(out *strings.Builder, use [][]float64, node, y int, colour string) {
	fmt.Fprintf(out, `<path fill="none" stroke="%s" stroke-width="1.5" d="`, colour)
	letter := "M"
	for slot, nodes := range use {
		height := min(plotMost, 100*nodes[node]) * plotCurves / plotMost
		at := plotLabel + float64(slot)*(plotWidth-plotLabel-20)/simulate.Slots
		fmt.Fprintf(out, "%s%.1f %.1f", letter, at, float64(y+plotCurves)-height)
		letter = "L"
	}
	out.WriteString("\"/>\n")
}

// busiest returns the node that is asked for most over the day.
func busiest(use [][]float64) int {
	most, at := -1.0, 0
	for node := range use[0] {
		sum := 0.0
		for _, nodes := range use {
			sum += nodes[node]
		}
		if sum > most {
			most, at = sum, node
		}
	}
	return at
}
