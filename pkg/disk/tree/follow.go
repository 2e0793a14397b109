// SPDX-License-Identifier: MPL-2.0

package tree

import "strings"

// follow is the path, without links, of the directory to which dir leads from the
// root. look is called for each path on the way, whose directory contains no links:
// it says whether the path is a link, and its target. loop is the error for too
// many links.
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
