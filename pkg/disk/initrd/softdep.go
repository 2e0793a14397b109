// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"path"
	"strings"
)

// alias is one line of modules.alias: a request for a name that matches the pattern
// is served by the module.
type alias struct{ pattern, module string }

// readSoftdeps reads modules.softdep: by normalised name, the names that have to be
// loaded before a module, which may be aliases ("softdep ext4 pre: crypto-crc32c").
// Names after "post:" are ignored.
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

// readAliases reads modules.alias. The patterns of devices, which are most of it,
// are ignored: they do not match names.
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

// providers are the files of the modules for a name: the module with that name, or
// else all that have it as an alias. The kernel chooses one of those at run time,
// depending on the processor. Known is also true for modules that are built into
// the kernel.
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
