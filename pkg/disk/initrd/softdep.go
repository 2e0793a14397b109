// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"path"
	"strings"
)

// alias is one line of modules.alias: a request for a name that the pattern
// matches is served by the module.
type alias struct{ pattern, module string }

// readSoftdeps reads modules.softdep: by normalised name, the names that a
// module needs loaded before it, which may be aliases ("softdep ext4 pre:
// crypto-crc32c"). What follows "post:" is left out.
func readSoftdeps(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "softdep" {
			continue
		}
		pre := false
		for _, w := range words[2:] {
			switch w {
			case "pre:":
				pre = true
			case "post:":
				pre = false
			default:
				if pre {
					out[normal(words[1])] = append(out[normal(words[1])], w)
				}
			}
		}
	}
	return out
}

// readAliases reads modules.alias. The patterns of devices, most of it, are
// left out: names do not have them.
func readAliases(text string) []alias {
	var out []alias
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "alias" || strings.Contains(words[1], ":") {
			continue
		}
		out = append(out, alias{normal(words[1]), words[2]})
	}
	return out
}

// providers are the files of the modules behind a name: the one that has it,
// or else all that have it as an alias. The kernel picks one of those when it
// runs; which, depends on the processor. Known is true of what is built into
// the kernel as well.
func (x *moduleIndex) providers(name string) (files []string, known bool) {
	n := normal(strings.TrimSuffix(name, ".ko"))
	if file, ok := x.files[n]; ok {
		return []string{file}, true
	}
	known = x.builtin[n]
	for _, a := range x.aliases {
		if ok, err := path.Match(a.pattern, n); err != nil || !ok {
			continue
		}
		if file, ok := x.files[normal(a.module)]; ok {
			files = append(files, file)
		}
		known = true
	}
	return files, known
}
