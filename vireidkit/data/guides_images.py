"""Guides to the data sets of single images, and to those that the user makes; the facts are those of datasets.md 1 to 4."""

from __future__ import annotations

from typing import Any

SYSU: dict[str, Any] = {
    "what": "491 people in six cameras, four visible and two near-infrared; the field's main data set",
    "obtain": "Send the signed release agreement (a PDF in github.com/wuancong/SYSU-MM01) to the address given there; the link is sent "
    "back. SYSU-MM01.zip is needed, cam1_2_video.zip is not. The permutation file rand_perm_cam.mat is in neither: it lies in that "
    "repository under evaluation/data_split.",
    "terms": "Research use only, no redistribution. Cite Wu et al., RGB-Infrared Cross-Modality Person Re-Identification, ICCV 2017 "
    "(IJCV 2020).",
    "layout": """
        <root>/cam1 .. cam6/<4-digit identity>/<4-digit number>.jpg     cam3/0006/0012.jpg
        <root>/exp/train_id.txt  val_id.txt  test_id.txt                one line of comma-separated identities each
        <root>/exp/rand_perm_cam.mat                                    only for multi-shot and sampler=perm
        """,
    "counts": """
        camera          train (296 ids)   test (96 ids)    all identities
        1 visible       194 / 4,721       56 / 1,374       259 / 6,289      ids / images
        2 visible       195 / 5,753       56 / 1,565       259 / 7,528
        3 infrared      293 / 5,929       93 / 1,883       486 / 9,812
        4 visible       283 / 4,821       94 / 1,918       493 / 8,030
        5 visible       294 / 4,989       95 / 1,918       502 / 8,224
        6 infrared      200 / 4,000       96 / 1,920       299 / 5,980
        validation: 99 ids, 1,974 visible and 1,980 infrared images
        """,
    "protocols": ("sysu-all-single", "sysu-indoor-single", "sysu-all-multi", "sysu-indoor-multi"),
    "notes": (
        "Published numbers train on train + validation, 395 identities: 22,258 visible and 11,909 infrared images.",
        "Two gallery samplers are in use (seed and perm), which differ by about 0.6 points of Rank-1 by chance: name yours.",
        "Cameras 2 and 3 look at the same room, so a camera 3 query never meets a camera 2 picture.",
        "A stray file (Thumbs.db) shifts every later draw of published code; this kit ignores it and says so.",
    ),
}

REGDB: dict[str, Any] = {
    "what": "412 people, 10 visible and 10 thermal images each, ten splits",
    "obtain": "Submit the copyright form of dm.dongguk.edu/link.html (Dongguk Body-based Person Recognition Database, DBPerson-Recog-DB1), "
    "or ask the author of github.com/mangye16/Cross-Modal-Re-ID-baseline for the prepared version, which has the ten splits in idx/.",
    "terms": "Research use only. Cite Nguyen et al., Sensors 17(3):605, 2017.",
    "layout": """
        <root>/Visible/<identity>/*.bmp     <root>/Thermal/<identity>/*.bmp       identities are plain whole numbers
        <root>/idx/{train,test}_{visible,thermal}_{1..10}.txt                     lines "Visible/<identity>/<file>.bmp <label>"
        """,
    "counts": """
        412 ids, 8,240 images; a split: 206 train and 206 test ids, four lists of 2,060 lines
        """,
    "protocols": ("regdb-vis2ir", "regdb-ir2vis", "ir2vis", "vis2ir"),
    "notes": (
        "A split is a data set of its own (--split 1 to 10): ten models are trained, and the mean of ten results is reported.",
        "Some published code trains split 1 alone and tests one direction; such numbers are not comparable.",
        "Extra folders such as rgb_modify, made by unsupervised methods, are ignored.",
    ),
}

LLCM: dict[str, Any] = {
    "what": "1,064 people in nine cameras, visible by day and near-infrared by night, low light",
    "obtain": "Send the signed release agreement (a PDF in github.com/ZYK100/LLCM) to the address given there.",
    "terms": "Research use only. Cite Zhang and Wang, CVPR 2023.",
    "layout": """
        <root>/vis/<4-digit identity>/NNNN_cCC_sSSSSSS_fFFFF_vis.jpg    all visible images
        <root>/nir/<4-digit identity>/NNNN_cCC_sSSSSSS_fFFFF_nir.jpg    nir/0351/0351_c06_s200656_f4830_nir.jpg
        <root>/test_vis/cam1 .. cam9/<identity>/*.jpg                   the test images once more, by camera
        <root>/test_nir/cam1 .. cam9/<identity>/*.jpg                   there is no cam3
        <root>/idx/train_vis.txt train_nir.txt test_vis.txt test_nir.txt     lines "<path> <label>", paths in either form
        <root>/idx/test_id.txt                                          one line of comma-separated identities
        """,
    "counts": """
        train 713 ids, 16,946 visible and 13,975 infrared images
        test  351 ids,  8,680 visible and  7,166 infrared images
        """,
    "protocols": ("llcm-ir2vis-L1", "llcm-vis2ir-L1", "llcm-vis2ir-L2", "llcm-L3", "ir2vis", "vis2ir"),
    "notes": (
        "The paper's text says 13,909 test images, which does not add up to its 46,767 in all; there are 15,846.",
        "Three incompatible protocols are in print: L1 (the paper's text), L2 (VIS-to-IR as the repository's scripts compute it) and "
        "L3 (complete lists, MPANet and IDKL); every result must name one.",
        "L1 and L2 draw from the folders by camera, L3 takes the lists; the reader makes one table of both and says where they differ.",
    ),
}

MARKET: dict[str, Any] = {
    "what": "1,501 people in six cameras, visible only",
    "obtain": "From the authors' project page (zheng-lab.cecs.anu.edu.au, liangzheng.org).",
    "terms": "Research use. Cite Zheng et al., ICCV 2015.",
    "layout": """
        <root>/bounding_box_train/*.jpg     0002_c1s1_000451_03.jpg: identity, camera, sequence, frame, box
        <root>/query/*.jpg
        <root>/bounding_box_test/*.jpg      identity -1 is junk, identity 0 background
        <root> may also be the folder that holds Market-1501-v15.09.15
        """,
    "counts": """
        train 751 ids / 12,936 images; query 750 / 3,368; gallery 750 ids and id 0 / 15,913 (19,732 files with junk)
        """,
    "protocols": ("market",),
    "notes": (
        "Junk is left out of every table; background pictures (identity 0) stay in the gallery.",
        "The official evaluation takes the trapezoid AP, most Python code the plain one: never mix them in one table.",
    ),
}

DUKE: dict[str, Any] = {
    "what": "1,404 people and 408 distractors in eight cameras, visible only; withdrawn by Duke University",
    "obtain": "It cannot be obtained: Duke University withdrew it in 2019. The kit only reads a copy that you already have and names no "
    "mirror.",
    "terms": "Withdrawn. Cite Zheng et al., ICCV 2017, and Ristani et al., ECCV workshops 2016.",
    "layout": """
        <root>/bounding_box_train/*.jpg     0005_c2_f0046985.jpg: identity, camera, frame
        <root>/query/*.jpg
        <root>/bounding_box_test/*.jpg
        <root> may also be the folder that holds DukeMTMC-reID
        """,
    "counts": """
        train 702 ids / 16,522 images; query 702 / 2,228; gallery 1,110 ids (702 + 408 distractors) / 17,661
        """,
    "protocols": ("duke",),
    "notes": ("The 408 distractors stay in the gallery.",),
}

MANIFEST: dict[str, Any] = {
    "what": "any data set of your own: a folder of pictures with a CSV file",
    "obtain": "Make it: one line a picture. Data sets without a reader (SYSU-CMCC and others) arrive this way. With no band to compare, "
    "write visible everywhere.",
    "terms": "Those of your own data.",
    "layout": """
        <root>/manifest.csv     (or any CSV file, named itself)
            path,identity,camera,modality,split
            night/17/000451.png,17,3,infrared,test
        path is relative to the file's folder, with "/" between its parts; identity and camera are whole numbers from 0;
        modality is visible or infrared; split is train, validation or test
        further columns: role (query or gallery, test rows only), tracklet, frame; others are ignored
        """,
    "counts": """
        none; every file must be there, and nobody in two splits
        """,
    "protocols": ("ir2vis", "vis2ir", "within-visible", "within-infrared"),
    "notes": ("The reader lists the protocols that the test rows allow.",),
}

_TWILIGHT: dict[str, Any] = {
    "obtain": "It comes with the vireidkit repository, in data/twilight, and is found there, or where the environment variable "
    "VIREIDKIT_TWILIGHT points; `vireidkit twilight render` draws it anew.",
    "terms": "CC0. No real person is shown; the people, their clothes and the proportions are invented.",
    "notes": (
        "A ranking of methods on Twilight is no evidence for a ranking on real data.",
        "identities.csv and images.csv hold every factor that was drawn: vireidkit.data.read_factors.",
    ),
}
TWILIGHT: dict[str, Any] = {
    **_TWILIGHT,
    "what": "500 rendered people in six cameras, visible and near-infrared; comes with the kit",
    "layout": """
        <root>/main/cam1 .. cam6/<4-digit identity>/<4-digit number>.webp
        <root>/main/exp/train_id.txt  val_id.txt  test_id.txt
        """,
    "counts": """
        360 / 40 / 100 identities for training, validation and test; 8 visible and 8 near-infrared images each
        """,
    "protocols": ("ir2vis", "vis2ir", "within-visible", "within-infrared", "sysu-all-single"),
}
TWILIGHT_THERMAL: dict[str, Any] = {
    **_TWILIGHT,
    "what": "100 rendered people, visible and thermal, ten splits in the form of RegDB; comes with the kit",
    "layout": """
        <root>/thermal/Visible/<identity>/visible_<number>.webp    Thermal/<identity>/thermal_<number>.webp
        <root>/thermal/idx/{train,test}_{visible,thermal}_{1..10}.txt
        """,
    "counts": """
        a split: 50 train and 50 test identities, 6 visible and 6 thermal images each
        """,
    "protocols": ("regdb-vis2ir", "regdb-ir2vis", "ir2vis", "vis2ir"),
}
TWILIGHT_TRACKLETS: dict[str, Any] = {
    **_TWILIGHT,
    "what": "80 rendered people in tracklets of 8 frames, visible and near-infrared; comes with the kit",
    "layout": """
        <root>/tracklets/manifest.csv     path, identity, camera, modality, split, tracklet, frame
        """,
    "counts": """
        32 / 8 / 40 identities; one tracklet of 8 frames in each of the cameras 1, 3, 4, 6
        """,
    "protocols": ("ir2vis", "vis2ir", "within-visible", "within-infrared"),
}

IMAGE_GUIDES: dict[str, dict[str, Any]] = {
    "sysu-mm01": SYSU,
    "regdb": REGDB,
    "llcm": LLCM,
    "market1501": MARKET,
    "dukemtmc-reid": DUKE,
    "manifest": MANIFEST,
    "twilight": TWILIGHT,
    "twilight-thermal": TWILIGHT_THERMAL,
    "twilight-tracklets": TWILIGHT_TRACKLETS,
}
