"""Guides to the data sets of tracklets; the facts are those of datasets.md 5 and 6."""

from __future__ import annotations

from typing import Any

MARS: dict[str, Any] = {
    "what": "1,261 people in six cameras, tracklets, visible only",
    "obtain": "The pictures from the authors' project page (unverified); the folder info/ from github.com/liangzheng06/MARS-evaluation.",
    "terms": "Research use. Cite Zheng et al., ECCV 2016.",
    "layout": """
        <root>/bbox_train/<4-character identity>/*.jpg     0001C1T0001F001.jpg: identity, camera, tracklet, frame
        <root>/bbox_test/<4-character identity>/*.jpg      folder 00-1 is junk, 0000 distractors
        <root>/info/train_name.txt  test_name.txt
        <root>/info/tracks_train_info.mat  tracks_test_info.mat  query_IDX.mat
        """,
    "counts": """
        train 625 ids / 8,298 tracklets; query 626 ids / 1,980 tracklets; gallery 9,330 tracklets without junk and queries
        (12,180 test tracklets in the table); about 1.19 million boxes
        """,
    "protocols": ("mars-image2video", "mars-video2video"),
    "notes": (
        "140 queries have no match among the 9,330, so the official practice puts the queries back into the gallery (11,310 tracklets); "
        "code that does not reports another mAP.",
    ),
}

DUKE_VIDEO: dict[str, Any] = {
    "what": "1,404 people and 408 distractors in eight cameras, tracklets, visible only; withdrawn by Duke University",
    "obtain": "It cannot be obtained: Duke University withdrew it in 2019. The kit only reads a copy that you already have and names no "
    "mirror.",
    "terms": "Withdrawn. Cite Wu et al., CVPR 2018, and Ristani et al., ECCV workshops 2016.",
    "layout": """
        <root>/{train,query,gallery}/<identity>/<tracklet>/*.jpg     0001_C6_F0099_X30823.jpg (old form 0001C6F0099X30823.jpg)
        """,
    "counts": """
        train 702 ids / 2,196 tracklets; test 702 ids, 702 query and 2,636 gallery tracklets; 408 distractor ids
        """,
    "protocols": ("dukev-image2video", "dukev-video2video"),
    "notes": (
        "VKD merges all tracklets of one person and camera; dukemtmc-videoreid-merged does the same, the plain name keeps the folders.",
    ),
}

VERI: dict[str, Any] = {
    "what": "776 vehicles in twenty cameras, images and tracklets, visible only",
    "obtain": "By e-mail to the authors, whose address is on vehiclereid.github.io/VeRi.",
    "terms": "Research use. Cite Liu et al., ECCV 2016.",
    "layout": """
        <root>/image_train/  image_query/  image_test/*.jpg          0001_c001_00016450_0.jpg
        <root>/name_train.txt  name_query.txt  name_test.txt
        <root>/test_track.txt  gt_index.txt  jk_index.txt            a line of test_track.txt: name of the tracklet, then its frames
        """,
    "counts": """
        train 576 ids / 37,778 images; query 200 / 1,678; test 200 / 11,579
        """,
    "protocols": ("veri-image2image", "veri-image2video", "veri-video2image", "veri-video2video"),
}

VCM: dict[str, Any] = {
    "what": "927 people in twelve cameras, tracklets of 24 frames, visible and infrared",
    "obtain": "Links are in github.com/VCM-project233/HITSZ-VCM-data (Google Drive; Baidu with the password in its read-me).",
    "terms": "Academic use, no redistribution, models non-commercial. Cite Lin et al., CVPR 2022.",
    "layout": """
        <root>/<4-digit identity>/{rgb,ir}/D<camera>/<file>.jpg       or <root>/Train/... and <root>/Test/...
        <root>/info/train_name.txt  test_name.txt                     or in <root> itself
        <root>/info/track_train_info.txt  track_test_info.txt  query_IDX.txt
        """,
    "counts": """
        500 train and 427 test ids; 21,863 tracklets (11,785 visible, 10,078 infrared), 463,259 images
        """,
    "protocols": ("vcm-ir2vis", "vcm-vis2ir", "ir2vis", "vis2ir"),
    "notes": ("Tracklets shorter than 12 frames are dropped by the protocol.",),
}

BUPT: dict[str, Any] = {
    "what": "3,080 people in six cameras, tracklets, visible and infrared",
    "obtain": "The link (Baidu) is in github.com/dyhBUPT/BUPTCampus.",
    "terms": "Academic use only, no redistribution. Cite Du et al., TIFS 2023.",
    "layout": """
        <root>/DATA/...     <root>/data_paths.json     identity -> RGB, IR or FakeIR -> camera -> tracklet -> paths
        <root>/train.txt  train_auxiliary.txt  query.txt  gallery.txt     lines "identity modality camera tracklet"
        """,
    "counts": """
        1,074 train, 1,076 test and 930 auxiliary ids, 16,826 tracklets, 1,869,366 images (all unverified)
        """,
    "protocols": ("bupt-ir2vis", "bupt-vis2ir", "ir2vis", "vis2ir"),
    "notes": (
        "FakeIR, infrared pictures made from the visible ones, enters no table.",
        "No camera is excluded in this protocol.",
    ),
}

VIDEO_GUIDES: dict[str, dict[str, Any]] = {
    "mars": MARS,
    "dukemtmc-videoreid": DUKE_VIDEO,
    "dukemtmc-videoreid-merged": {
        **DUKE_VIDEO,
        "what": "dukemtmc-videoreid with the tracklets of one person and camera merged, as VKD does",
    },
    "veri776": VERI,
    "hitsz-vcm": VCM,
    "buptcampus": BUPT,
    "buptcampus-auxiliary": {**BUPT, "what": "buptcampus with the auxiliary people in the training table"},
}
