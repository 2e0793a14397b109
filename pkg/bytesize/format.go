// SPDX-License-Identifier: MPL-2.0

package bytesize

import "fmt"

// names are those of the units that are printed.
var names = []string{"", "KiB", "MiB", "GiB", "TiB"}

// unit is the largest unit that n has one of, in bytes.
func unit(n int64) (bytes int64, name string) {
	i := 0
	for bytes = 1; i < len(names)-1 && n >= bytes<<10; i++ {
		bytes <<= 10
	}
	return bytes, names[i]
}

// Format is a size for a table or a line of progress, rounded: "512 B", "3.5 KiB",
// "40 MiB", "1.0 GiB". It has no fraction where it is exact, or has three digits.
func Format(n int64) string {
	u, name := unit(n)
	if u == 1 {
		return fmt.Sprintf("%d B", n)
	}
	whole, rest := n/u, n%u
	tenths := whole*10 + (rest*10+u/2)/u
	switch {
	case rest == 0:
		return fmt.Sprintf("%d %s", whole, name)
	case tenths < 1000:
		return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, name)
	}
	if rest >= u-rest {
		whole++
	}
	if next, name := unit(whole * u); next > u {
		return "1.0 " + name
	}
	return fmt.Sprintf("%d %s", whole, name)
}

// AtLeast is a size for a sentence, such as "33.1 MiB" or "512 bytes": rounded up,
// as befits what is needed.
func AtLeast(n int64) string { return sentence(n, true) }

// AtMost is a size for a sentence, rounded down, as befits what there is.
func AtMost(n int64) string { return sentence(n, false) }

func sentence(n int64, up bool) string {
	u, name := unit(n)
	if u == 1 {
		return fmt.Sprintf("%d bytes", n)
	}
	whole, rest := n/u, n%u
	if whole >= 100 {
		if up && rest != 0 {
			whole++
		}
		return fmt.Sprintf("%d %s", whole, name)
	}
	tenths := whole*10 + rest*10/u
	if up && rest*10%u != 0 {
		tenths++
	}
	if tenths%10 != 0 {
		return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, name)
	}
	return fmt.Sprintf("%d %s", tenths/10, name)
}
