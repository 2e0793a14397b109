// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
)

// option says how many values an option takes.
type option int

const (
	bare  option = iota // none
	value               // one
	many                // as many as follow
)

// The options of wic's commands.
var (
	partOptions = map[string]option{
		"--active": bare, "--align": value, "--offset": value, "--exclude-path": many, "--include-path": many, "--change-directory": value,
		"--extra-space": value, "--fsoptions": value, "--fspassno": value, "--fstype": value, "--mkfs-extraopts": value, "--label": value,
		"--use-label": bare, "--no-table": bare, "--ondisk": value, "--ondrive": value, "--overhead-factor": value, "--part-name": value,
		"--part-type": value, "--rootfs-dir": value, "--type": value, "--hidden": bare, "--size": value, "--fixed-size": value,
		"--source": value, "--sourceparams": value, "--system-id": value, "--use-uuid": bare, "--uuid": value, "--fsuuid": value,
		"--no-fstab-update": bare, "--mbr": bare,
	}
	bootloaderOptions = map[string]option{"--append": value, "--configfile": value, "--ptable": value, "--timeout": value, "--source": value}
)

// command is a line, split into options and operands.
type command struct {
	line
	operands []word
	given    map[string]word // value of an option, or the option itself
	broken   bool            // a part of it could not be read, which has been reported
}

// has reports whether an option is given.
func (c *command) has(name string) bool { _, ok := c.given[name]; return ok }

// value is the value of an option, or "".
func (c *command) value(name string) string { return c.given[name].text }

// at is the place of an option's value, or of the line.
func (c *command) at(name string) finding.Span {
	if w, ok := c.given[name]; ok {
		return w.at
	}
	return c.line.at
}

// options parses the options of a line. They may be shortened as long as they are
// unambiguous.
func (r *reader) options(l line, known map[string]option) *command {
	c := &command{line: l, given: map[string]word{}}
	rest := l.words[1:]
	for len(rest) > 0 {
		w := rest[0]
		rest = rest[1:]
		if !strings.HasPrefix(w.text, "--") {
			c.operands = append(c.operands, w)
			continue
		}
		name, val, joined := strings.Cut(w.text, "=")
		full := lengthen(name, known)
		if full == "" {
			if full = r.unknown(word{name, w.at}, known); full == "" {
				if !joined && len(rest) > 0 && !strings.HasPrefix(rest[0].text, "--") {
					rest = rest[1:] // probably its value
				}
				continue
			}
		}
		given := word{val, w.at}
		if from := utf8.RuneCountInString(name) + 1; joined && w.at != l.at && w.at.Len > from {
			given.at.Col, given.at.Len = w.at.Col+from, w.at.Len-from
		}
		switch {
		case known[full] == bare && joined:
			c.broken = true
			r.Fail(w.at, "", "option %s takes no value", full)
		case joined || known[full] == bare:
		case len(rest) == 0 || strings.HasPrefix(rest[0].text, "--"):
			c.broken = true
			r.Fail(w.at, "", "option %s has no value", full)
		default:
			given, rest = rest[0], rest[1:]
			for known[full] == many && len(rest) > 0 && !strings.HasPrefix(rest[0].text, "--") {
				given.text += " " + rest[0].text
				rest = rest[1:]
			}
		}
		c.given[full] = given
	}
	return c
}

// unknown reports an option that does not exist. It returns the one that was
// probably meant, or "".
func (r *reader) unknown(w word, known map[string]option) string {
	hint := words.DidYouMean(w.text, slices.Sorted(maps.Keys(known)))
	if len(w.text) < 4 {
		hint = ""
	}
	r.Fail(w.at, hint, "option %s is not known", finding.Quote(w.text))
	_, meant, _ := strings.Cut(hint, `"`)
	meant, _, _ = strings.Cut(meant, `"`)
	return meant
}

// lengthen returns the option that a prefix stands for, or "".
func lengthen(name string, known map[string]option) string {
	if _, ok := known[name]; ok {
		return name
	}
	var found []string
	for k := range known {
		if strings.HasPrefix(k, name) && len(name) > 2 {
			found = append(found, k)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return ""
}

// size is a size in KiB. It is given as a number in the option's own unit, or with
// a unit.
func (r *reader) size(c *command, name string, unit byte) int64 {
	w, ok := c.given[name]
	if !ok {
		return 0
	}
	text := w.text
	if n := len(text); n > 0 && (text[n-1] < '0' || text[n-1] > '9') {
		unit, text = text[n-1], text[:n-1]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	factor := map[byte]int64{'k': 1, 'K': 1, 'M': 1 << 10, 'G': 1 << 20}[unit]
	if (unit == 's' || unit == 'S') && name == "--offset" && n%2 == 0 {
		factor, n = 1, n/2
	}
	if err != nil || n < 0 || factor == 0 || n > 1<<50/factor {
		r.Fail(w.at, "write a number, and K, M or G", "%s %s is not a size", name, finding.Quote(w.text))
		return 0
	}
	return n * factor
}

// params are the comma-separated settings of a source plugin.
func (c *command) params() map[string]string {
	out := map[string]string{}
	for p := range strings.SplitSeq(c.value("--sourceparams"), ",") {
		if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); k != "" {
			out[k] = v
		}
	}
	return out
}

// onlyParams warns of settings that are ignored.
func (r *reader) onlyParams(c *command, known ...string) {
	for p := range strings.SplitSeq(c.value("--sourceparams"), ",") {
		if k, _, _ := strings.Cut(strings.TrimSpace(p), "="); k != "" && !slices.Contains(known, k) {
			r.Warn(c.at("--sourceparams"), "", "%s of source %s is left out", k, c.value("--source"))
		}
	}
}
