// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package history

// imagePrefix is what the names of all stages' images have.
const imagePrefix = "localhost/carosbuild/"

// ImageName is the name of a stage's image in the store.
func ImageName(buildID, stage string) string {
	return imagePrefix + buildID + ":" + stage
}
