# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += tests/nested/run.py tests/nested/machine.py tests/nested/init tests/nested/boot tests/nested/report tests/nested/inside.py \
	tests/nested/vsock.py tests/nested/unified.py tests/nested/links.py tests/nested/thin.py \
	tests/nested/cri_pods.py tests/nested/systemd_pods.py
