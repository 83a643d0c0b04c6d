"""Any 2D model made to agree over the views of a capture: predictions or features are carried by one blending, whoever found its weights."""

from relook.lift.lifted.job import Lifted
from relook.lift.lifted.sources import Posed, posed
from relook.lift.lifted.task import lift_capture
from relook.lift.lifted.ways import Blended, Carried, InScene, Learned, Way, way_for

__all__ = ["Blended", "Carried", "InScene", "Learned", "Lifted", "Posed", "Way", "lift_capture", "posed", "way_for"]
