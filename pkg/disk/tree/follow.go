// SPDX-License-Identifier: MPL-2.0

package tree

import "strings"

// follow is the path, without links, of the directory that dir leads to from the
// root. look is asked about each path on the way, whose directory has none: whether
// it is a link, and where to. loop is the error for too many links.
func follow(dir string, loop error, look func(at string) (link string, isLink bool, err error)) (string, error) {
	at, rest, links := "", strings.Split(dir, "/"), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at, _ = split(at)
			continue
		}
		next := join(at, name)
		link, isLink, err := look(next)
		switch {
		case err != nil:
			return "", err
		case !isLink:
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", loop
		}
		if strings.HasPrefix(link, "/") {
			at = ""
		}
		rest = append(strings.Split(link, "/"), rest...)
	}
	return at, nil
}
