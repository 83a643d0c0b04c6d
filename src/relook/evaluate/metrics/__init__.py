"""Numbers: pure functions, each declared with its better direction, range and source in one registry, METRICS."""

# The order of these imports is the order of METRICS, and so of the tables.
# isort: off
from relook.evaluate.metrics.declare import METRICS, Better, Group, Image, Metric, declare, of_group
from relook.evaluate.metrics.truth import BEST_PSNR, by_class, colour_error, lpips, psnr, ssim
from relook.evaluate.metrics.pattern import pattern_error
from relook.evaluate.metrics.segments import mean_iou, panoptic_quality, pixel_accuracy
from relook.evaluate.metrics.depth import abs_rel, delta1, depth_abs_rel, depth_delta1, depth_sq_rel, sq_rel
from relook.evaluate.metrics.structure import edge_f1, mask_miou
from relook.evaluate.metrics.style import cosine_similarity, dreamsim, gram_distance, histogram_distance
from relook.evaluate.metrics.realism import fid, kid
from relook.evaluate.metrics.matching import class_accuracy, coverage, end_point_error, pck
from relook.evaluate.metrics.views import pose_auc, rotation_auc, translation_auc, warp_lpips, warp_rmse
# isort: on
