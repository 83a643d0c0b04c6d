"""Materials from nodes only: paint, wood with grain per plank, cloth, metal, leaf; colours are linear RGB unless they are hexadecimal sRGB."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from shapes import Material

Socket = Any  # bpy.types.NodeSocket


def colour(code: str) -> tuple[float, float, float, float]:
    """Linear RGBA of a hexadecimal sRGB colour."""
    srgb = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return (*linear.tolist(), 1.0)


class Nodes:
    """A material's nodes, added one by one: inputs by name or number, each a value or another node's output."""

    def __init__(self, name: str) -> None:
        self.material: Material = bpy.data.materials.new(name)
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def add(self, kind: str, inputs: dict[str | int, Any], out: str | int = 0, **properties: Any) -> Socket:
        """The output `out` of a new node ShaderNode<kind>."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for key, value in properties.items():
            setattr(node, key, value)
        for key, value in inputs.items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[key])
            else:
                node.inputs[key].default_value = value
        return node.outputs[out]

    def math(self, operation: str, a: Any, b: Any = 0.0) -> Socket:
        return self.add("Math", {0: a, 1: b}, operation=operation)

    def noise(self, at: Socket, scale: float, detail: float = 4.0) -> Socket:
        """Fractal noise in about [.3, .7]."""
        return self.add("TexNoise", {"Vector": at, "Scale": scale, "Detail": detail})

    def ramp(self, at: Socket, stops: list[tuple[float, tuple[float, ...]]]) -> Socket:
        """Colour by a value in [0, 1]."""
        made = self.add("ValToRGB", {0: at})
        elements = made.node.color_ramp.elements
        for _ in stops[2:]:
            elements.new(0.5)
        for element, (position, shade) in zip(elements, stops, strict=True):
            element.position, element.color = position, shade
        return made

    def between(self, at: Socket, low: float, high: float) -> Socket:
        """A noise's value, stretched to [low, high]."""
        return self.add("MapRange", {0: at, 1: 0.3, 2: 0.7, 3: low, 4: high})

    def mix(self, at: Any, a: Any, b: Any, how: str = "MIX") -> Socket:
        made = self.add("Mix", {}, data_type="RGBA", blend_type=how)
        sockets = [socket for socket in made.node.inputs if socket.enabled]
        for socket, value in zip(sockets, (at, a, b), strict=True):
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return next(socket for socket in made.node.outputs if socket.enabled)

    def bump(self, height: Socket, metres: float, below: Any = None) -> Socket:
        more = {} if below is None else {"Normal": below}
        return self.add("Bump", {"Height": height, "Distance": metres, "Strength": 1.0, **more})

    def surface(self, shader: Socket) -> Material:
        """The material, which looks as the shader says."""
        node = self.tree.nodes.new("ShaderNodeOutputMaterial")
        self.tree.links.new(shader, node.inputs["Surface"])
        return self.material

    def principled(self, **inputs: Any) -> Material:
        """The usual surface; inputs by their names in lower case with underscores."""
        named = {key.replace("_", " ").title().replace("Ior", "IOR"): value for key, value in inputs.items()}
        return self.surface(self.add("BsdfPrincipled", named))


def paint(code: str, roughness: float = 0.6) -> Material:
    """Wall paint: the roller's fine relief and a barely uneven tone."""
    n = Nodes("paint")
    at = n.add("TexCoord", {}, "Object")
    tone = n.between(n.noise(at, 1.3), 0.96, 1.03)
    return n.principled(
        base_color=n.mix(1.0, colour(code), tone, "MULTIPLY"),
        roughness=roughness,
        normal=n.bump(n.noise(at, 110.0), 0.00012),
    )


def wood(dark: str, light: str, varnish: float = 0.4, planks: bool = True) -> Material:
    """Wood whose grain runs along u (metres, first UV map); every plank (island of the mesh) is another piece of another tree."""
    n = Nodes("wood")
    island = n.add("NewGeometry", {}, "Random Per Island") if planks else n.add("ObjectInfo", {}, "Random")
    uv = n.add("UVMap", {})
    shift = n.add("CombineXYZ", {0: n.math("MULTIPLY", island, 91.0), 1: n.math("MULTIPLY", island, 57.0), 2: island})
    at = n.add("VectorMath", {0: uv, 1: shift}, operation="ADD")
    bend = n.noise(n.add("VectorMath", {0: at, 1: (0.9, 5.0, 1)}, operation="MULTIPLY"), 1.0, 2.0)
    across = n.add("CombineXYZ", {0: 0.0, 1: n.math("MULTIPLY", bend, 0.35), 2: 0.0})
    bent = n.add("VectorMath", {0: at, 1: across}, operation="ADD")
    rings = n.noise(n.add("VectorMath", {0: bent, 1: (1.2, 46.0, 1)}, operation="MULTIPLY"), 1.0, 6.0)
    fibres = n.noise(n.add("VectorMath", {0: at, 1: (9.0, 420.0, 1)}, operation="MULTIPLY"), 1.0, 3.0)
    grain = n.math("ADD", n.math("MULTIPLY", rings, 0.72), n.math("MULTIPLY", fibres, 0.28))
    shade = n.ramp(grain, [(0.32, colour(dark)), (0.62, colour(light))])
    tone = n.add("MapRange", {0: island, 3: 0.66, 4: 1.2})
    warm = n.mix(n.math("FRACT", n.math("MULTIPLY", island, 13.7)), (1.0, 1.0, 1.0, 1.0), (1.06, 0.98, 0.88, 1.0))
    return n.principled(
        base_color=n.mix(1.0, n.mix(1.0, shade, tone, "MULTIPLY"), warm, "MULTIPLY"),
        roughness=n.between(n.noise(at, 3.0), varnish - 0.07, varnish + 0.1),
        normal=n.bump(fibres, 0.00004),
    )


def cloth(code: str, weave: float = 0.0022, sheen: float = 0.25, slub: float = 0.12) -> Material:
    """Woven cloth: threads `weave` metres apart, some thicker (slub: how much their tone differs), with a soft sheen."""
    n = Nodes("cloth")
    at = n.add("TexCoord", {}, "Object")
    threads = n.noise(at, 1 / (2 * weave), 2.0)
    patches = n.noise(at, 5.0, 3.0)
    tone = n.math("MULTIPLY", n.between(threads, 1 - slub, 1 + slub), n.between(patches, 0.93, 1.06))
    return n.principled(
        base_color=n.mix(1.0, colour(code), tone, "MULTIPLY"),
        roughness=0.92,
        sheen_weight=sheen,
        sheen_roughness=0.5,
        normal=n.bump(threads, 0.0003, n.bump(n.noise(at, 14.0, 2.0), 0.004)),
    )


def velvet(code: str) -> Material:
    """Velvet: dark where one looks along the pile, light at grazing angles, with brushed patches."""
    n = Nodes("velvet")
    at = n.add("TexCoord", {}, "Object")
    brushed = n.noise(at, 7.0, 3.0)
    tone = n.mix(1.0, colour(code), n.between(brushed, 0.7, 1.3), "MULTIPLY")
    rim = n.add("LayerWeight", {"Blend": 0.35}, "Facing")
    lighter = n.mix(1.0, tone, (1.9, 1.85, 1.75, 1.0), "MULTIPLY")
    return n.principled(
        base_color=n.mix(rim, tone, lighter),
        roughness=0.75,
        sheen_weight=0.5,
        sheen_roughness=0.35,
        normal=n.bump(n.noise(at, 420.0, 2.0), 0.0001, n.bump(brushed, 0.006)),
    )


def leather(code: str) -> Material:
    n = Nodes("leather")
    at = n.add("TexCoord", {}, "Object")
    tone = n.mix(1.0, colour(code), n.between(n.noise(at, 6.0), 0.75, 1.15), "MULTIPLY")
    folds = n.bump(n.noise(at, 22.0, 5.0), 0.004)
    return n.principled(base_color=tone, roughness=n.between(n.noise(at, 9.0), 0.32, 0.55), normal=folds)


def painted(picture: np.ndarray, relief: float = 0.0, roughness: float = 0.9) -> Material:
    """A picture [H, W, 3] (linear RGB, first row at the bottom) over the UV square; relief in metres for pile or canvas."""
    n = Nodes("painted")
    height, width = picture.shape[:2]
    image = bpy.data.images.new("picture", width, height, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    image.pixels.foreach_set(np.dstack([picture, np.ones((height, width))]).astype(np.float32).ravel())
    image.pack()
    base = n.add("TexImage", {"Vector": n.add("UVMap", {})}, image=image, interpolation="Cubic")
    at = n.add("TexCoord", {}, "Object")
    pile = n.noise(at, 170.0, 3.0)
    base = n.mix(1.0, base, n.between(pile, 0.86, 1.1), "MULTIPLY") if relief else base
    more = {"normal": n.bump(pile, relief / 3, n.bump(n.noise(at, 11.0), relief))} if relief else {}
    return n.principled(base_color=base, roughness=roughness, **more)


def sheer(code: str, through: float) -> Material:
    """Curtain cloth that lets a share of the light through."""
    n = Nodes("sheer")
    at = n.add("TexCoord", {}, "Object")
    tone = n.mix(1.0, colour(code), n.between(n.noise(at, 240.0, 2.0), 0.9, 1.08), "MULTIPLY")
    front = n.add("BsdfDiffuse", {"Color": tone, "Normal": n.bump(n.noise(at, 240.0, 2.0), 0.0002)})
    return n.surface(n.add("MixShader", {0: through, 1: front, 2: n.add("BsdfTranslucent", {"Color": tone})}))


def plain(code: str, roughness: float = 0.5, metallic: float = 0.0, **more: Any) -> Material:
    """Metal, glaze, plastic: one colour, roughness slightly uneven."""
    n = Nodes("plain")
    worn = n.between(n.noise(n.add("TexCoord", {}, "Object"), 8.0), roughness * 0.85, roughness * 1.15)
    return n.principled(base_color=colour(code), roughness=worn, metallic=metallic, **more)


def glowing(code: str, strength: float) -> Material:
    n = Nodes("glowing")
    return n.surface(n.add("Emission", {"Color": colour(code), "Strength": strength}))


def leaf() -> Material:
    """A waxy leaf: veins along u, lighter by chance from leaf to leaf, some light through."""
    n = Nodes("leaf")
    uv = n.add("UVMap", {})
    tone = n.ramp(n.add("ObjectInfo", {}, "Random"), [(0.0, colour("3f5c30")), (1.0, colour("6a8849"))])
    veins = n.add("TexWave", {"Vector": uv, "Scale": 6.0, "Distortion": 0.6}, bands_direction="Y")
    base = n.mix(n.math("MULTIPLY", veins, 0.15), tone, colour("8fa35f"))
    top = n.add("BsdfPrincipled", {"Base Color": base, "Roughness": 0.38, "Normal": n.bump(veins, 0.0015)})
    return n.surface(n.add("MixShader", {0: 0.25, 1: top, 2: n.add("BsdfTranslucent", {"Color": base})}))
