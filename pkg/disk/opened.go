// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import "os"

// Container is the file that was opened, the first of those that the disk is in.
func (o *Opened) Container() *os.File { return o.files[0] }

// Source is what reads the format, such as a *vmdk.Reader.
func (o *Opened) Source() any { return o.ReaderAt }
