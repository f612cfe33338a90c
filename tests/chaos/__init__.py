"""
Kills a real run at random places, starts it again as Airflow would, and checks what was paid for and what landed.

``make chaos`` runs a hundred seeds, ``make chaos SEED=17`` one of them; ``make test`` runs a few small ones.
"""
