package simulate

import (
	"math/rand/v2"
	"time"

	"cube/scheduler"
)

// placer decides which machine an arrival goes to.
type placer interface {
	// place returns the index of a machine, or -1 when it knows of none that
	// fits.
	place(now time.Duration, arrival int) int
	// placed and ended tell what happened to an arrival.
	ended(now time.Duration, arrival int)
	// reads says whether the placer wants readings, which read hands it.
	reads() bool
	read(*scheduler.Reading) error
}

// blind is the part of a placer that looks at no reading.
type blind struct{}

func (blind) reads() bool                   { return false }
func (blind) read(*scheduler.Reading) error { return nil }
func (blind) ended(time.Duration, int)      {}

// byChance places on any machine that fits, each with equal chance.
type byChance struct {
	blind
	world  *world
	chance *rand.Rand
	fit    []int
}

func (p *byChance) place(_ time.Duration, arrival int) int {
	p.fit = p.fit[:0]
	for i, m := range p.world.machines {
		if m.fits(p.world.taskOf(arrival)) {
			p.fit = append(p.fit, i)
		}
	}
	if len(p.fit) == 0 {
		return -1
	}
	return p.fit[p.chance.IntN(len(p.fit))]
}
