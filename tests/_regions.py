"""Slow references for torchvision's compiled ops, written from their published definitions."""

import math

import numpy as np


def bilinear(image, y, x):
    """Mask R-CNN's sample: clamped to the image, zero further than one element outside."""
    height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return upper * (1 - down) + lower * down


def align_bin(image, roi, index, bins, ratio):
    """The mean of the samples of one bin; `roi` is left, top, width, height."""
    left, top, width, height = roi
    size = height / bins[0], width / bins[1]
    grid = [ratio if ratio > 0 else math.ceil(s) for s in size]
    total = sum(
        bilinear(
            image,
            top + index[0] * size[0] + (i + 0.5) * size[0] / grid[0],
            left + index[1] * size[1] + (j + 0.5) * size[1] / grid[1],
        )
        for i in range(grid[0])
        for j in range(grid[1])
    )
    return total, grid[0] * grid[1]


def _shifted(roi, scale, shift):
    left, top, right, bottom = (v * scale - shift for v in roi[1:])
    return left, top, right - left, bottom - top


def roi_align(x, rois, scale, height, width, ratio, aligned):
    out = np.zeros((len(rois), x.shape[1], height, width))
    for k, c, i, j in np.ndindex(*out.shape):
        left, top, w, h = _shifted(rois[k], scale, 0.5 if aligned else 0)
        if not aligned:
            w, h = max(w, 1), max(h, 1)
        image = x[int(rois[k, 0]), c]
        total, count = align_bin(image, (left, top, w, h), (i, j), (height, width), ratio)
        out[k, c, i, j] = total / max(count, 1)
    return out


def ps_roi_align(x, rois, scale, height, width, ratio):
    out = np.zeros((len(rois), x.shape[1] // (height * width), height, width))
    for k, c, i, j in np.ndindex(*out.shape):
        image = x[int(rois[k, 0]), (c * height + i) * width + j]
        roi = _shifted(rois[k], scale, 0.5)
        total, count = align_bin(image, roi, (i, j), (height, width), ratio)
        out[k, c, i, j] = total / count
    return out


def _round(value):
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _span(start, length, index, bins, limit):
    size = np.float32(length) / np.float32(bins)
    first = min(max(math.floor(np.float32(index) * size) + start, 0), limit)
    return first, min(max(math.ceil(np.float32(index + 1) * size) + start, 0), limit)


def roi_pool(x, rois, scale, height, width):
    out = np.zeros((len(rois), x.shape[1], height, width))
    place = np.full(out.shape, -1)
    for k, c, i, j in np.ndindex(*out.shape):
        left, top, right, bottom = (_round(v * scale) for v in rois[k, 1:])
        rows = _span(top, max(bottom - top + 1, 1), i, height, x.shape[2])
        columns = _span(left, max(right - left + 1, 1), j, width, x.shape[3])
        for h in range(*rows):
            for w in range(*columns):
                value = x[int(rois[k, 0]), c, h, w]
                if place[k, c, i, j] < 0 or value > out[k, c, i, j]:
                    out[k, c, i, j], place[k, c, i, j] = value, h * x.shape[3] + w
    return out, place


def ps_roi_pool(x, rois, scale, height, width):
    out = np.zeros((len(rois), x.shape[1] // (height * width), height, width))
    for k, c, i, j in np.ndindex(*out.shape):
        left, top, right, bottom = (_round(v * scale) for v in rois[k, 1:])
        rows = _span(top, max(bottom - top, 1), i, height, x.shape[2] - 1)
        columns = _span(left, max(right - left, 1), j, width, x.shape[3] - 1)
        image = x[int(rois[k, 0]), (c * height + i) * width + j]
        part = image[slice(*rows), slice(*columns)]
        out[k, c, i, j] = part.mean() if part.size else 0
    return out


def nms(boxes, scores, threshold):
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if not any(_overlap(boxes[i], boxes[j]) > threshold for j in kept):
            kept.append(int(i))
    return kept


def _overlap(a, b):
    across = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    union = areas - across * down
    return across * down / union if union else math.nan


def _zero_padded(image, y, x):
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                total += image[row, column] * down * across
    return total


def deform_conv2d(x, weight, offset, mask, bias, stride, pad, dilation, groups, offset_groups):
    """DCNv2: y(p) = sum_k w_k * x(p + p_k + dp_k) * dm_k."""
    kernel = weight.shape[2:]
    out = np.zeros((x.shape[0], weight.shape[0], *offset.shape[2:]))
    for n, o, i, j in np.ndindex(*out.shape):
        total = bias[o]
        for c in range(weight.shape[1]):
            channel = o // (weight.shape[0] // groups) * weight.shape[1] + c
            part = channel // (x.shape[1] // offset_groups)
            for a, b in np.ndindex(*kernel):
                tap = (part * kernel[0] + a) * kernel[1] + b
                y = i * stride[0] - pad[0] + a * dilation[0] + offset[n, 2 * tap, i, j]
                z = j * stride[1] - pad[1] + b * dilation[1] + offset[n, 2 * tap + 1, i, j]
                scale = 1 if mask is None else mask[n, tap, i, j]
                total += weight[o, c, a, b] * scale * _zero_padded(x[n, channel], y, z)
        out[n, o, i, j] = total
    return out
