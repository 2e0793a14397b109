// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"fmt"
	"time"
)

// How an Expectation's Within is scaled.
const (
	// silence is how long, in time of the machine, a console has to be silent
	// before a wait that has exceeded its bound ends; with bounds below two
	// minutes, a quarter of the bound.
	silence = 30 * time.Second
	// whilePrinting is how many times its bound, in time of the machine, a wait may
	// take while the console keeps printing: enough for a host with slow
	// processors, and an end for a guest that never stops printing.
	whilePrinting = 3
	// byTheClock is how many times its bound a wait may take in wall time.
	byTheClock = 10
)

// patience decides how long to wait for one expectation.
type patience struct {
	within  time.Duration // 0: forever
	begun   Spent         // when the wait began
	printed Spent         // when the console last ended a line
}

// over says why the wait has ended, or "" if it has not.
func (p patience) over(now Spent) string {
	spent := now.since(p.begun)
	if p.within <= 0 {
		return ""
	}
	silent := now.Machine-p.printed.Machine >= min(silence, p.within/4)
	switch {
	case spent.Wall >= byTheClock*p.within:
	case spent.Machine < p.within:
		return ""
	case silent:
	case spent.Machine < whilePrinting*p.within:
		return ""
	}
	reason := "not within " + p.within.String()
	if spent.Machine >= p.within && !silent {
		reason += fmt.Sprintf(", nor within %s, although it went on printing", round(spent.Machine))
	}
	return reason + spent.slow()
}

// slow says how much a machine was slowed down, or "".
func (s Spent) slow() string {
	if lost := s.Wall - s.Machine; lost > s.Wall/10 && lost >= time.Second {
		return fmt.Sprintf("; it took %s by the clock, but QEMU had no processor for %s of it", round(s.Wall), round(lost))
	}
	return ""
}

func round(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
