// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// continued is the end of a line that continues on the next one.
var continued = lazyregexp.New(`\\[ \t\r]*\n`)

// machineLine matches an assignment without an override, so not MACHINE:append.
var machineLine = lazyregexp.New(`(?m)^[ \t]*(?:export[ \t]+)?MACHINE[ \t]*(\?\?=|\?=|:=|=)[ \t]*(?:"(.*)"|'(.*)')[ \t\r]*$`)

// MachineOf is MACHINE of a local.conf, or "" if it is not set. As in bitbake, the
// last = or := counts; ?= has no effect after another assignment except ??=; and the
// last ??= is the value if there is no other assignment.
func MachineOf(conf string) string {
	value, weak := "", ""
	set := false
	for _, m := range machineLine().FindAllStringSubmatch(continued().ReplaceAllString(conf, ""), -1) {
		v := strings.TrimSpace(m[2] + m[3])
		switch {
		case m[1] == "??=":
			weak = v
		case m[1] == "?=" && set:
		default:
			value, set = v, true
		}
	}
	if !set {
		return weak
	}
	return value
}
